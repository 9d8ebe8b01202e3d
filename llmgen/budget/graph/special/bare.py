"""Layers of attention and feed-forwards alone, whatever a model has besides."""

from __future__ import annotations

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder that a header alone is enough for."""
    Bare(scene, recipe).run()


class Bare(Decoder):
    """Layers with state read and write it, and do nothing with it."""

    def _mixed(self, source: Tensor, layer: int) -> Tensor:
        scene, model = self.scene, self.scene.model
        if not model.recurrent[layer]:
            return self._attention(source, layer) if model.kv_heads[layer] else source
        for letter, width in (("r", model.rows.convolution), ("s", model.rows.state)):
            if width:
                self.states.store(letter, layer, self.states.load(letter, layer))
        return scene.b.unary(source)

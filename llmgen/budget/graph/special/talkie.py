"""Norms without weights, and the input added to each layer (``src/models/talkie.cpp``)."""

from __future__ import annotations

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder that comes back to its input."""
    Talkie(scene, recipe).run()


class Talkie(Decoder):
    """``first`` is the input, normed."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Keep the input."""
        super().__init__(scene, recipe)
        self.first = self.stream

    def _behind(self, stream: Tensor, normed: Tensor, added: Tensor, layer: int) -> Tensor:
        scene, b = self.scene, self.scene.b
        result = super()._behind(stream, normed, added, layer)
        first = b.get_rows(self.first, self.rows) if layer == scene.last else self.first
        first = b.mul(first, scene.needed("layer_output_scale.weight", layer))
        return b.add(result, scene.call(first, "embd_skip", layer))

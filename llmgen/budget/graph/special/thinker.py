"""Experts that are chosen by the stream in front of the layer (``smallthinker.cpp``)."""

from __future__ import annotations

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.feedforward import experts
from llmgen.budget.graph.linear import linear
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder whose router is ahead of attention."""
    Thinker(scene, recipe).run()


class Thinker(Decoder):
    """``stream`` is that in front of the layer until it ends."""

    def _feed(self, normed: Tensor, layer: int) -> Tensor:
        scene = self.scene
        logits = linear(scene, "ffn_gate_inp", self.stream, layer)
        scene.call(logits, "ffn_moe_logits", layer)
        if layer == scene.last:
            logits = scene.b.get_rows(logits, self.rows)
        return experts(scene, normed, layer, self.recipe.experts, logits=logits)

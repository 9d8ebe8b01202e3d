"""Layers without attention, with a product in its place, or without more (``deci.cpp``)."""

from __future__ import annotations

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder of layers that were thinned out."""
    Deci(scene, recipe).run()


class Deci(Decoder):
    """What a layer lacks, the header says."""

    def _layer(self, layer: int) -> Tensor:
        scene, b, model = self.scene, self.scene.b, self.scene.model
        stream = added = self.stream
        if model.heads[layer]:
            normed = norm(scene, "RMS_NORM", "attn_norm", stream, layer)
            scene.call(normed, "attn_norm", layer)
            if model.kv_heads[layer]:
                added = self._attention(normed, layer)
            else:
                added = linear(scene, "attn_output", normed, layer)
        if layer == scene.last:
            added, stream = b.get_rows(added, self.rows), b.get_rows(stream, self.rows)
        if not model.feed_forward[layer]:
            return self.stream  # the layer's own work is dropped
        inner = b.add(added, stream) if model.heads[layer] else added
        scene.call(inner, "ffn_inp", layer)
        result = b.add(self._feed(self._fed(inner, layer), layer), inner)
        return scene.call(result, "l_out", layer)

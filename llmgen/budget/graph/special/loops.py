"""Layers that run several times, each time with a cache of their own (``nanbeige.cpp``)."""

from __future__ import annotations

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """Layers behind those of the file are its layers once more."""
    blocks = scene.model.header.needed("block_count")
    scene.matrices.blocks = {layer: layer % blocks for layer in range(scene.model.trunk)}
    Loops(scene, recipe).run()


class Loops(Decoder):
    """Between two runs the stream is normed, unless the header says otherwise."""

    def _layer(self, layer: int) -> Tensor:
        scene, header = self.scene, self.scene.model.header
        result = super()._layer(layer)
        ends = (layer + 1) % header.needed("block_count") == 0
        if not ends or layer == scene.last or header.values.get("skip_loop_final_norm"):
            return result
        result = norm(scene, "RMS_NORM", "output_norm", result, layer, of_layer=False)
        return scene.call(result, "loop_norm", layer)

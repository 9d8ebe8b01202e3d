"""Two stacks of layers in turns, a slow one behind a fast one (``src/models/hrm-text.cpp``)."""

from __future__ import annotations

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.head import conclude
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.weights import Undescribed


def describe(scene: Scene, recipe: Recipe) -> None:
    """Caches are those of every run of a layer; the file has each stack once."""
    header = scene.model.header
    each, fast = header.needed("hrm.layers_per_stack"), header.needed("hrm.l_cycles")
    if not each:
        raise Undescribed("hrm.layers_per_stack")
    scene.matrices.blocks = {
        layer: layer % each + (each if layer // each % (fast + 1) == fast else 0)
        for layer in range(scene.model.trunk)
    }
    Stacks(scene, recipe, each, fast).run()


class Stacks(Decoder):
    """``states`` of both stacks are added in front of each run of one."""

    def __init__(self, scene: Scene, recipe: Recipe, each: int, fast: int) -> None:
        """``fast`` runs of ``each`` layers come before one slow run."""
        super().__init__(scene, recipe)
        self.each, self.fast = each, fast

    def run(self) -> None:
        """All runs, then the output."""
        scene, b = self.scene, self.scene.b
        slow, fast = self.stream, scene.needed("hrm.z_l_init")
        for first in range(0, scene.model.trunk, self.each):
            last = first // self.each % (self.fast + 1) == self.fast
            self.stream = b.add(slow, fast)
            for layer in range(first, first + self.each):
                self.stream = scene.end(layer, self._layer(layer))
            result = b.each("RMS_NORM", self.stream)
            scene.call(result, "stack_norm", first)
            slow, fast = (result, fast) if last else (slow, result)
        conclude(scene, self.recipe, b.get_rows(slow, self.rows))

    def _takes_rows(self, layer: int) -> bool:
        """Rows are taken behind the last run."""
        del layer
        return False

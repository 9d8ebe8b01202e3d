"""A nextn block of several streams, whose attention may read pools of tokens (qwen4exp.cpp)."""

from __future__ import annotations

from llmgen.budget.graph.head import logits
from llmgen.budget.graph.nextn import Nextn
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.special.qwen4 import Qwen4


def describe(scene: Scene, recipe: Recipe) -> None:
    """One layer; the memory has no states, but their input is there."""
    Qwen4Block(scene, recipe).run()


class Qwen4Block(Qwen4, Nextn):
    """A layer of the streams that the model made; its own mixer makes one of them."""

    def _streams(self) -> int:
        return self.scene.model.header.count("hyper_connection.count")

    def _begin(self) -> None:
        self.scene.b.expand(self.states.copied)

    def _look_up(self) -> None:
        """The block has no n-grams."""

    def _widen(self) -> None:
        """The row that it reads has all streams."""

    def run(self) -> None:
        """The layer, rows of outputs, and logits; the next draft reads the rows."""
        scene, b, (layer,) = self.scene, self.scene.b, self.scene.layers
        flat = self._flat(scene.end(layer, self._layer(layer)))
        rows = b.get_rows(flat, self.rows)
        # Rows of outputs alone once a server has set its samplers (embeddings_nextn_masked).
        read = rows if scene.setting.samplers else flat
        b.expand(scene.give("h_nextn", scene.call(read, "h_nextn", layer)))
        wide = b.reshape(rows, scene.embedding, self.count, scene.outputs)
        gate, normed = self._gate(wide, "nextn.hc_head", layer)
        result = scene.call(self._passed(wide, gate, normed), "result_norm", layer)
        logits(scene, self.recipe, scene.give("embd", result))

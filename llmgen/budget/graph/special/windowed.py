"""Latent attention: full layers with an indexer, and those with a window (dots3note.cpp)."""

from __future__ import annotations

from llmgen.budget.graph.cache import Cache
from llmgen.budget.graph.gated import gated_result
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.special.indexed import Indexed
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.graph.weights import Undescribed


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder with two kinds of latent rows; the program takes no file without an indexer."""
    if not scene.model.indexer_width:
        raise Undescribed("attention.indexer.key_length")
    Windowed(scene, recipe).run()


class Windowed(Indexed):
    """Layers with a window have rows, and queries, of their own length."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Another cache for them."""
        super().__init__(scene, recipe)
        self.near = Cache(scene, windowed=True, latent=True)

    def _is_near(self, layer: int) -> bool:
        return self.scene.model.windows.layers[layer]

    def _attention(self, normed: Tensor, layer: int) -> Tensor:
        self.best = None
        return super()._attention(normed, layer)

    def _chooses(self, layer: int) -> bool:
        """All full layers do."""
        return not self._is_near(layer)

    def _rows(self, layer: int) -> tuple[Cache, int, int]:
        header = self.scene.model.header
        if not self._is_near(layer):
            return super()._rows(layer)
        rank, length = "attention.kv_lora_rank_swa", "attention.key_length_mla_swa"
        return self.near, header.count(rank), header.count(length)

    def _placed(self, of: Tensor, layer: int) -> Tensor:
        return norm(self.scene, "RMS_NORM", "attn_k_norm", of, layer)

    def _latent_out(self, result: Tensor, normed: Tensor, layer: int) -> Tensor:
        """A gate for each head in front of the last product."""
        scene, b = self.scene, self.scene.b
        gate = b.unary(b.mul_mat(scene.needed("attn_gate.weight", layer), normed))
        result = gated_result(scene, result, gate, layer)
        return linear(scene, "attn_output", result, layer)

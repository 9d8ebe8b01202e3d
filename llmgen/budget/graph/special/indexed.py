"""Latent attention that reads the tokens which an indexer chooses (deepseek32.cpp, glm-dsa.cpp)."""

from __future__ import annotations

from llmgen.budget.graph.indexer import IndexerKeys, unmasked
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.special.latent import Latent
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder with latent attention, and an indexer in front of it if the build has one."""
    (Indexed if scene.model.indexer_width else Latent)(scene, recipe).run()


class Indexed(Latent):
    """Layers without an indexer of their own read what the last one chose."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Another cache for the indexers' keys."""
        super().__init__(scene, recipe)
        self.keys = IndexerKeys(scene, rotates=recipe.turns_index)
        self.best: Tensor | None = None

    def _query(self, normed: Tensor, layer: int) -> Tensor:
        scene = self.scene
        latent = scene.b.mul_mat(scene.needed("attn_q_a.weight", layer), normed)
        latent = norm(scene, "RMS_NORM", "attn_q_a_norm", latent, layer)
        if self._chooses(layer):
            self.best = self.keys.choose(latent, normed, self.positions, layer)
        return linear(scene, "attn_q_b", latent, layer)

    def _chooses(self, layer: int) -> bool:
        """Whether a layer has an indexer of its own."""
        return self.scene.model.indexed[layer]

    def _mask(self) -> Tensor | None:
        return self.best and unmasked(self.scene, self.cache.mask, self.best)

"""A nextn block with latent attention, which reads every token (deepseek2.cpp, deepseek32.cpp)."""

from __future__ import annotations

from llmgen.budget.graph.nextn import Nextn
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.special.latent import Latent


def describe(scene: Scene, recipe: Recipe) -> None:
    """One layer; where the trunk has indexers, the block's are not read."""
    LatentBlock(scene, recipe).run()


class LatentBlock(Nextn, Latent):
    """A nextn block around latent attention."""

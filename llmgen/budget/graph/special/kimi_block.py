"""A nextn block with latent attention that passes a gate (bailingmoe3.cpp)."""

from __future__ import annotations

from llmgen.budget.graph.nextn import Nextn
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.special.kimi import Kimi


def describe(scene: Scene, recipe: Recipe) -> None:
    """One layer; the block has no delta attention."""
    KimiBlock(scene, recipe).run()


class KimiBlock(Nextn, Kimi):
    """A nextn block around Kimi's latent layers."""

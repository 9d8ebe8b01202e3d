"""Norms in front of blocks or behind them (``src/models/chameleon.cpp``)."""

from __future__ import annotations

from msgspec.structs import replace

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene


def describe(scene: Scene, recipe: Recipe) -> None:
    """The header says where norms are."""
    if scene.model.header.values.get("swin_norm"):
        recipe = replace(recipe, unnormed=True, feed_norm="", post=("attn_norm", "ffn_norm"))
    Decoder(scene, recipe).run()

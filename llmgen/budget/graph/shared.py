"""Layers without a cache of their own: they read that of a layer before them."""

from __future__ import annotations

from llmgen.budget.shape.hyperparameters import Hyperparameters


def owner(model: Hyperparameters, layer: int) -> int:
    """Whose K and V a layer reads: the last owner with the same kind of cache (``reuse``)."""
    if layer < model.owners:
        return layer
    return model.owners - (2 if model.windows.layers[layer] else 1)

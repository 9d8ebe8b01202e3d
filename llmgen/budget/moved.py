"""Layers whose attention options took away from their device.

With the cache elsewhere, no operation before attention ties it to the device of its layer. The one
behind it does, or a weight that it reads itself (``ggml_backend_sched_split_graph``).
"""

from __future__ import annotations

from typing import Final

from llmgen.budget.hyperparameters import Hyperparameters
from llmgen.budget.model import ServerSettings
from llmgen.budget.overrides import overrides
from llmgen.budget.placement import Placement
from llmgen.facts.model import TensorGroup

# The first of these that a layer has is the weight that attention follows; scores read sinks, too.
_TIES: Final = ("attn_v_b", "attn_output")
_SCORES: Final = ("attn_sinks", *_TIES)
# Their feed-forward, which reads what attention read, comes between attention and its output.
_BEFORE_OUTPUT: Final[dict[str, tuple[str, ...]]] = {
    "command-r": ("ffn_gate",),
    "cohere2": ("ffn_gate",),
}


def moved_attention(
    model: Hyperparameters,
    tensors: tuple[TensorGroup, ...],
    settings: ServerSettings,
    placement: Placement,
    *,
    scores: bool = False,
) -> dict[int, str]:
    """Where attention of a layer runs, fused or as ``scores``, if not where the layer is."""
    if settings.kv_offload or not settings.devices or not settings.override_tensor:
        return {}
    moved, homes, queries = overrides(settings), dict[int, str](), dict[int, str]()
    for tie in _BEFORE_OUTPUT.get(model.name, _SCORES if scores else _TIES):
        for group in tensors:
            if group.pattern == f"blk.#.{tie}.weight":
                for layer in group.layers:
                    homes.setdefault(layer, moved.of(group, layer) or placement.of(layer))
    for group in tensors:
        if group.pattern == "blk.#.attn_q.weight":  # where no cache is stored behind the query
            for layer in group.layers:
                if layer >= model.owners:
                    queries[layer] = moved.of(group, layer) or placement.of(layer)
    return {
        layer: home
        for layer, home in homes.items()
        if layer < model.layers and model.attends(layer)
        if home != placement.of(layer) and queries.get(layer, home) == home
    }

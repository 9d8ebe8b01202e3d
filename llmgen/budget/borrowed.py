"""Caches that layers read from other layers, and what that costs across devices."""

from __future__ import annotations

from llmgen.budget.hyperparameters import Hyperparameters
from llmgen.budget.model import HOST
from llmgen.budget.placement import Placement
from llmgen.budget.rows import row_bytes
from llmgen.budget.work import Work

# GGML_SCHED_MAX_COPIES: with pipeline parallelism, every input of a device exists four times.
PIPELINE_COPIES = 4


def fetched_caches(work: Work, placement: Placement, device: str, *, piped: bool) -> int:
    """Bytes of other devices' caches that the borrowing layers of ``device`` copy to it.

    Gemma 3n and 4: layers behind the owners read the cache of the last owner of their kind, each
    through a copy of its own.
    """
    model = work.model
    sizes = []
    for layer in range(model.owners, model.layers):
        source = _lender(model, layer)
        home = placement.of(source) if work.kv_offload else HOST
        if placement.of(layer) == device != home:
            sizes.append(_layer_bytes(work, source))
    total = sum(sizes) * (PIPELINE_COPIES if piped else 1)
    if work.kv_offload and not piped and model.name == "gemma3n" and sizes:
        # The first is freed before its ten streams are all there, which take the place.
        total -= min(sizes[0], 10 * work.stream)
    return total


def _lender(model: Hyperparameters, layer: int) -> int:
    marks = model.windows.layers
    same = (il for il in reversed(range(model.owners)) if marks[il] == marks[layer])
    return next(same, model.owners - 1)


def _layer_bytes(work: Work, layer: int) -> int:
    model, counts = work.model, work.counts
    windowed = model.windows.layers[layer]
    cells = (counts.window_cells if windowed else counts.cells) * counts.streams
    row = row_bytes(work.type_k, model.key_width(layer))
    return (row + row_bytes(work.type_v, model.value_width(layer))) * cells

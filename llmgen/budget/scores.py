"""Attention without flash attention: scores of every head for each cell, replayed as blocks are.

The order is that of ``build_attn_mha`` (``src/llama-graph.cpp``), with the cache on the host.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmgen.budget.arena import Arena
from llmgen.budget.rows import F32, row_bytes
from llmgen.budget.work import Work, rotations


def cached(work: Work, layer: int) -> tuple[int, int]:
    """Bytes of one layer's K and V."""
    model, counts = work.model, work.counts
    cells = counts.streams * (counts.window_cells if model.windows.layers[layer] else counts.cells)
    key = row_bytes(work.type_k, model.key_width(layer))
    return key * cells, row_bytes(work.type_v, model.value_width(layer)) * cells


def scored(
    arena: Arena,
    work: Work,
    layer: int,
    masks: dict[bool, int],
    query: int,
    *,
    later: Sequence[bool],
    arriving: Sequence[int],
    arrived: list[int],
) -> int:
    """The result of all heads; ``arriving`` comes with the cache."""
    counts, windowed = work.counts, work.model.windows.layers[layer]
    cells = counts.window_cells if windowed else counts.cells
    key, value = cached(work, layer)
    keys = arena.take(key)
    if windowed not in masks:
        masks[windowed] = arena.take(F32 * cells * counts.ubatch)
    values = arena.take(value)
    arrived += [arena.take(size) for size in arriving]
    if later and later[0] not in masks:  # the next layer's queries belong to this split
        for size in rotations(work, windowed=later[0]):
            arena.take(size)
    scores = arena.take(work.model.heads[layer] * cells * work.column)
    for at in (query, keys):
        arena.give(at)
    if windowed not in later:
        arena.give(masks[windowed])
    width = work.query_width(layer) * work.column
    result = arena.take(width)
    for at in (scores, values):
        arena.give(at)
    return arena.move(result, width)

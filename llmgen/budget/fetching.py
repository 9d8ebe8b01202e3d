"""A model of plain layers whose cache is on the host, replayed layer by layer.

Each layer copies its K and V to the device that runs attention (``ggml-backend.cpp``). What a copy
leaves behind is a hole that later blocks fit or do not fit, so the buffer is no sum of sizes. The
order of blocks is that of ``build_attn`` and ``build_ffn`` (``src/llama-graph.cpp``).
"""

from __future__ import annotations

from llmgen.budget.architectures import Family
from llmgen.budget.arena import Arena
from llmgen.budget.graphs import FOUR_POSITIONS, FUSED, PARALLEL, POST_NORMED, UNROTATED_EVERY
from llmgen.budget.hosted import shared_expert
from llmgen.budget.rows import row_bytes
from llmgen.budget.work import Run, Work, rotations


def is_replayed(work: Work, run: Run) -> bool:
    """Whether the blocks of this model's layers are the plain ones, with their cache elsewhere."""
    model = work.model
    plain = model.rules.family is Family.PLAIN and not model.mla and not work.layer_inputs
    alike = model.name not in (*FUSED, *PARALLEL, "llama4")
    sparse = model.header.most("expert_used_count") > 0
    mixed = model.header.count("leading_dense_block_count") > 0 or shared_expert(work) > 0
    apart = not work.kv_offload and work.flash and not run.partial
    shallow = work.input_stream == work.stream
    return apart and plain and alike and shallow and not (sparse and (mixed or not run.experts))


def replayed(work: Work) -> int:
    """How large the buffer gets over all layers that compute every token."""
    arena = Arena()
    stream, masks = _inputs(arena, work), dict[bool, int]()
    uniform = not work.model.windows.used and work.model.name not in UNROTATED_EVERY
    seen = set[tuple[object, ...]]()
    block = _experts if work.model.header.most("expert_used_count") else _feed_forward
    for layer in range(work.model.trunk):
        stream = _attention(arena, work, layer, stream, masks)
        if layer + 1 < work.model.trunk or work.embeds:
            stream = block(arena, work, stream)
        state = (stream, arena.holes)
        if uniform and state in seen:
            break  # all other layers repeat this one
        seen.add(state)
    return arena.peak


def _inputs(arena: Arena, work: Work) -> int:
    """Where the embedding lies, and beside it for the whole graph what comes with mixed batches."""
    mixed = [arena.take(size) for size in (work.stream, work.stream, 2 * work.column)]
    if not work.mixed:
        for at in mixed:
            arena.give(at)
        arena.peak = 0
    stream = arena.take(work.stream)
    arena.take(work.column * (4 if work.model.name in FOUR_POSITIONS else 1))
    for size in rotations(work, windowed=work.model.windows.layers[0]):
        arena.take(size)
    if work.mixed:
        arena.take(work.stream)
        for at in mixed:
            arena.give(at)
    return stream


def _attention(arena: Arena, work: Work, layer: int, stream: int, masks: dict[bool, int]) -> int:
    """The residual stream behind attention."""
    model, counts = work.model, work.counts
    windowed = model.windows.layers[layer]
    normed = stream if model.name in POST_NORMED else arena.take(work.stream)
    query = _rows(arena, work, work.query_width(layer), layer)
    widths = model.value_width(layer), model.key_width(layer)
    stored = _stored(arena, work, layer, widths, normed if normed != stream else None)
    for at in stored:
        arena.give(at)
    cells = (counts.window_cells if windowed else counts.cells) * counts.streams
    caches = [
        arena.take(row_bytes(work.type_k, widths[1]) * cells),
        arena.take(row_bytes(work.type_v, widths[0]) * cells),
    ]
    if windowed not in masks:
        cells = counts.window_cells if windowed else counts.cells
        masks[windowed] = arena.take(cells * counts.ubatch * 2)
    later = model.windows.layers[layer + 1 : model.trunk]
    if later and later[0] not in masks:  # the next layer's queries belong to this split
        for size in rotations(work, windowed=later[0]):
            arena.take(size)
    width = work.query_width(layer) * work.column
    result = arena.take(width)
    for at in (query, *caches):
        arena.give(at)
    if windowed not in later:
        arena.give(masks[windowed])
    if work.rotated:
        result = arena.move(result, width)
    result = arena.move(result, work.stream)
    arena.give(stream)
    return result


def _rows(arena: Arena, work: Work, width: int, layer: int) -> int:
    """Queries or keys: their product, then normed or with positions, then rotated."""
    size = width * work.column
    at = arena.take(size)
    every = UNROTATED_EVERY.get(work.model.name, 0)
    if not every or (layer + 1) % every:
        at = arena.move(at, size)
    return arena.move(at, size) if work.rotated else at


def _stored(
    arena: Arena, work: Work, layer: int, widths: tuple[int, int], normed: int | None
) -> tuple[int, int]:
    """K and V before they go to the cache; graphs with windows make K first."""
    value, key = widths
    if work.model.windows.used:
        keys = _rows(arena, work, key, layer)
        values = arena.take(value * work.column)
        if normed is not None:
            arena.give(normed)
        if work.rotated:
            values = arena.move(values, value * work.column)
        return keys, values
    values = arena.take(value * work.column)
    if work.rotated:
        values = arena.move(values, value * work.column)
    keys = arena.take(key * work.column)
    if normed is not None:
        arena.give(normed)
    every = UNROTATED_EVERY.get(work.model.name, 0)
    if not every or (layer + 1) % every:
        keys = arena.move(keys, key * work.column)
    return (arena.move(keys, key * work.column) if work.rotated else keys), values


def _feed_forward(arena: Arena, work: Work, stream: int) -> int:
    """The residual stream behind a gated block."""
    hidden = max(work.model.feed_forward) * work.column
    post = work.model.name in POST_NORMED
    normed = stream if post else arena.take(work.stream)
    gates = arena.take(hidden), arena.take(hidden)
    if not post:
        arena.give(normed)
    product = arena.take(hidden)
    for at in gates:
        arena.give(at)
    result = arena.move(product, work.stream)
    arena.give(stream)
    return result


def _experts(arena: Arena, work: Work, stream: int) -> int:
    """The residual stream behind routed experts."""
    header, column = work.model.header, work.column
    used = header.most("expert_used_count")
    width = header.most("expert_feed_forward_length") or max(work.model.feed_forward)
    normed = arena.take(work.stream)
    every = header.most("expert_count") * column
    scores, order = arena.take(every), arena.take(every)
    weights = arena.take(used * column)
    arena.give(scores)
    total = arena.take(column)
    weights = arena.move(weights, used * column)
    arena.give(total)
    gates = arena.take(used * width * column), arena.take(used * width * column)
    arena.give(normed)
    product = arena.take(used * width * column)
    for at in gates:
        arena.give(at)
    outputs = arena.move(product, used * work.stream)
    arena.give(order)
    arena.give(weights)
    result = arena.move(outputs, work.stream)
    arena.give(stream)
    return result

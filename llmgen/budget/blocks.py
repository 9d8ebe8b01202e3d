"""The blocks of plain layers, replayed in the order of the graph.

That order is the one of ``build_attn`` and ``build_ffn`` (``src/llama-graph.cpp``). What a block
leaves behind is a hole that later ones fit or do not fit, so a buffer is no sum of sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmgen.budget.arena import Arena
from llmgen.budget.graphs import FUSED, PARALLEL, POST_NORMED, UNROTATED_EVERY
from llmgen.budget.hosted import shared_expert
from llmgen.budget.latent import latent_attention
from llmgen.budget.scores import cached, scored
from llmgen.budget.work import Work, rotations


def block(
    arena: Arena, work: Work, layer: int, stream: int, arrive: Callable[[], None] | None = None
) -> int:
    """The residual stream behind experts, or behind a feed-forward without them.

    Where the experts are on the host, ``arrive`` takes what comes with what they give back.
    """
    header = work.model.header
    routed = header.most("expert_used_count") > 0
    added = (
        experts(arena, work, arrive)
        if routed and layer >= header.count("leading_dense_block_count")
        else feed_forward(arena, work, stream)
    )
    if work.model.name in FUSED:  # adds them to the stream, others the stream to them
        arena.give(added)
        return stream
    arena.give(stream)
    return added


def attention(
    arena: Arena,
    work: Work,
    layer: int,
    masks: dict[bool, int],
    *,
    normed: int | None = None,
    later: Sequence[bool] = (),
    spent: Sequence[int] = (),
    arriving: Sequence[int] = (),
    arrived: list[int] | None = None,
) -> int:
    """What attention adds to the residual stream.

    ``later`` are the windows of the layers that follow, ``spent`` what nothing reads once K and V
    are stored; ``arriving`` are sizes that come with the caches, and ``arrived`` where they lie.
    """
    model, counts = work.model, work.counts
    windowed = model.windows.layers[layer]
    places = [] if arrived is None else arrived
    if model.mla:
        return latent_attention(
            *(arena, work, masks),
            normed=normed,
            later=later,
            spent=spent,
            arriving=arriving,
            arrived=places,
        )
    if normed is None and model.name not in POST_NORMED:
        normed = arena.take(work.stream)
    query = _projected(arena, work, layer, normed)
    for at in spent:
        arena.give(at)
    if not work.flash:
        result = scored(
            *(arena, work, layer, masks, query), later=later, arriving=arriving, arrived=places
        )
        return arena.move(result, work.stream)
    caches = [] if work.kv_offload else _fetched(arena, work, layer)
    if windowed not in masks:
        cells = counts.window_cells if windowed else counts.cells
        masks[windowed] = arena.take(cells * counts.ubatch * 2)
    places += [arena.take(size) for size in arriving]
    if later and later[0] not in masks:  # the next layer's queries belong to this split
        for size in rotations(work, windowed=later[0]):
            arena.take(size)
    caches = _cast(arena, work, layer, caches)
    width = work.query_width(layer) * work.column
    result = arena.take(width)
    for at in (query, *caches):
        arena.give(at)
    if normed is not None and model.name in PARALLEL:
        arena.give(normed)
    if windowed not in later:
        arena.give(masks[windowed])
    if work.rotated:
        result = arena.move(result, width)
    return arena.move(result, work.stream)


def _fetched(arena: Arena, work: Work, layer: int) -> list[int]:
    """Copies of one layer's K and V."""
    return [arena.take(size) for size in cached(work, layer)]


def _cast(arena: Arena, work: Work, layer: int, fetched: list[int]) -> list[int]:
    """Flash attention reads f32 rows through an f16 copy, behind which a fetched one is free."""
    model, counts = work.model, work.counts
    cells = counts.window_cells if model.windows.layers[layer] else counts.cells
    widths = model.key_width(layer), model.value_width(layer)
    copies = list(fetched)
    for index, cache_type in enumerate((work.type_k, work.type_v)):
        if cache_type != "f32":
            continue
        copy = arena.take(2 * widths[index] * cells * counts.streams)
        if fetched:
            arena.give(fetched[index])
            copies[index] = copy
        else:
            copies.append(copy)
    return copies


def _projected(arena: Arena, work: Work, layer: int, normed: int | None) -> int:
    """The query, after K and V were made and stored."""
    model = work.model
    widths = model.value_width(layer), model.key_width(layer)
    if model.name in FUSED and normed is not None:
        rows = (sum(widths) + work.query_width(layer)) * work.column
        product = arena.take(rows)
        arena.give(normed)
        sizes = work.query_width(layer) * work.column, widths[1] * work.column
        query, keys = arena.take(sizes[0]), arena.take(sizes[1])
        if work.rotated:
            query, keys = arena.move(query, sizes[0]), arena.move(keys, sizes[1])
        arena.give(keys)
        arena.give(product)
        return query
    query = _rows(arena, work, work.query_width(layer), layer)
    kept = normed if model.name not in PARALLEL else None  # whose feed-forward reads it, too
    for at in _stored(arena, work, layer, widths, kept):
        arena.give(at)
    return query


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
        if work.model.name == "gemma4":  # whose values are normed, too
            values = arena.move(values, value * work.column)
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


def feed_forward(arena: Arena, work: Work, stream: int) -> int:
    """What a gated block adds to the residual stream."""
    if work.model.name in POST_NORMED:
        return _gated(arena, work, max(work.model.feed_forward), stream, keep=True)
    return _gated(arena, work, max(work.model.feed_forward), arena.take(work.stream))


def _gated(arena: Arena, work: Work, width: int, normed: int, *, keep: bool = False) -> int:
    """Gate and up, which may be one product, their own product, and its rows."""
    hidden = width * work.column
    sizes = [2 * hidden] if work.model.name in FUSED else [hidden, hidden]
    gates = [arena.take(size) for size in sizes]
    if not keep:
        arena.give(normed)
    product = arena.take(hidden)
    for at in gates:
        arena.give(at)
    return arena.move(product, work.stream)


def _gate_and_up(work: Work, hidden: int) -> tuple[int, ...]:
    return (2 * hidden,) if work.model.fused_experts else (hidden, hidden)


def experts(arena: Arena, work: Work, arrive: Callable[[], None] | None = None) -> int:
    """What routed experts, and a shared one behind them, add to the residual stream."""
    header, column = work.model.header, work.column
    used = header.most("expert_used_count")
    width = header.most("expert_feed_forward_length") or max(work.model.feed_forward)
    shared = shared_expert(work)
    normed = arena.take(work.stream)
    every = header.most("expert_count") * column
    scores, order = arena.take(every), arena.take(every)
    weights = arena.take(used * column)
    arena.give(scores)
    total = arena.take(column)
    weights = arena.move(weights, used * column)
    arena.give(total)
    if arrive:
        for at in (order,) if shared else (order, normed):
            arena.give(at)
        outputs = arena.take(used * work.stream)
        arrive()
    else:
        hidden = used * width * column
        gates = [arena.take(size) for size in _gate_and_up(work, hidden)]
        if not shared:
            arena.give(normed)
        product = arena.take(hidden)
        for at in gates:
            arena.give(at)
        outputs = arena.move(product, used * work.stream)
        arena.give(order)
    arena.give(weights)
    result = arena.move(outputs, work.stream)
    if shared:
        arena.give(_gated(arena, work, shared, normed))
    return result

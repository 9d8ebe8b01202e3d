"""The layers of a device one after the other, and the logits behind them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from llmgen.budget.arena import Arena
from llmgen.budget.blocks import attention, block
from llmgen.budget.graphs import UNROTATED_EVERY
from llmgen.budget.logits import has_logits, is_pooled, logits
from llmgen.budget.rows import F32, padded
from llmgen.budget.work import Run, Work, rotations


class Start(Struct):
    """What lies in the buffer when the first layer starts.

    The residual ``stream``, unless it is read behind attention only; its norm, if another device
    made it; masks of each kind of cache; what nothing reads behind which layer; and which rows of
    the stream are outputs. With the cache elsewhere, masks and those rows come later.
    """

    stream: int | None
    normed: int | None = None
    masks: dict[bool, int] = {}
    read: dict[int, list[int]] = {}
    picks: int | None = None


def replay(arena: Arena, work: Work, run: Run, start: Start) -> None:
    """Take and give what the layers and the output of ``run`` do."""
    marks, whole = work.model.windows.layers, frozenset(work.whole(run))
    plain = not work.model.windows.used and work.model.name not in UNROTATED_EVERY
    hosted = run.hosted.intersection(run.layers) if work.kv_offload else frozenset[int]()
    uniform = plain and not hosted
    dense = work.model.header.count("leading_dense_block_count")
    padded_rows: int | None = None  # the input itself, which later layers read, too
    stream, normed, seen = start.stream, start.normed, set[tuple[object, ...]]()
    for layer in run.layers:
        last = layer == run.layers[-1]
        state = (stream, arena.holes, layer < dense, min(layer, work.deep))
        if uniform and state in seen and not last:
            continue  # as the layer before
        seen.add(state)
        later, spent = marks[layer + 1 : run.layers[-1] + 1], start.read.pop(layer, ())
        sizes, arrived = _arriving(work, run, layer, stream), list[int]()
        added = attention(
            *(arena, work, layer, start.masks),
            normed=normed,
            later=later,
            spent=spent,
            arriving=sizes,
            arrived=arrived,
        )
        stream, normed = arrived.pop(0) if stream is None else stream, None
        deep = [arrived.pop(0)] if _copies_rows(work, layer) else []
        picks = arrived[0] if arrived else start.picks
        if layer == work.model.trunk - 1 and work.embeds and picks is not None:
            # Every row is an output, and picked.
            added, stream = arena.move(added, work.stream), arena.move(stream, work.stream)
            arena.give(picks)
        if layer == 0 and work.pads_rows:
            padded_rows = stream
        else:
            arena.give(stream)
        back = partial(_arrive, arena, work, run, layer, start) if layer in hosted else None
        stream = block(arena, work, layer, added, back) if layer in whole else added
        if layer == work.deep - 1 and padded_rows is not None:
            deep = [padded_rows]
        for at in deep:
            arena.give(at)
    _output(arena, work, run, stream)


def part(run: Run, first: int) -> tuple[int, ...]:
    """The layers from ``first`` to the next one whose experts are on the host.

    They and those experts' outputs are one part of the graph.
    """
    last = min((il for il in run.hosted if il >= first), default=run.layers[-1])
    return tuple(il for il in run.layers if first <= il <= last)


def _arrive(arena: Arena, work: Work, run: Run, layer: int, start: Start) -> None:
    """What the part behind a layer with hosted experts reads for the first time."""
    layers = part(run, layer + 1)
    take_caches(arena, work, run, layers, start)
    if work.model.trunk - 1 in layers and start.picks is None:
        take_picks(arena, work, run, start)


def take_caches(arena: Arena, work: Work, run: Run, layers: Sequence[int], start: Start) -> None:
    """Matrices, indices and the mask of each kind of cache that ``layers`` meet first."""
    marks = work.model.windows.layers
    for windowed in dict.fromkeys(marks[layer] for layer in layers):
        if windowed in start.masks:
            continue
        last = max(layer for layer in run.layers if marks[layer] == windowed)
        spent = start.read.setdefault(last, [])
        spent += [arena.take(size) for size in rotations(work, windowed=windowed)]
        if not work.kv_offload:
            break  # the others come with their caches
        rows = 1 if work.model.mla else 2  # V is a part of K's rows
        spent += [arena.take(2 * work.column) for _ in range(rows)]
        cells = work.counts.window_cells if windowed else work.counts.cells
        start.masks[windowed] = arena.take(2 * cells * work.counts.ubatch)


def take_picks(arena: Arena, work: Work, run: Run, start: Start) -> None:
    """Which rows are outputs, and how they are pooled."""
    start.picks = next(map(arena.take, outputs(work)))
    for size in pools(work) if run.output else ():
        arena.take(size)


def _arriving(work: Work, run: Run, layer: int, stream: int | None) -> list[int]:
    """What comes with the caches of a layer."""
    if work.kv_offload:
        return []
    sizes = [work.stream] if stream is None else []
    sizes += [work.deep_rows] if _copies_rows(work, layer) else []
    if layer == work.model.trunk - 1:
        sizes += [*outputs(work), *(pools(work) if run.output else ())]
    return sizes


def _copies_rows(work: Work, layer: int) -> bool:
    """Whether rows of this layer come from the host, behind those of the stream."""
    return layer < work.deep and not work.pads_rows


def _output(arena: Arena, work: Work, run: Run, stream: int | None) -> None:
    if run.output and has_logits(work):
        if not work.embeds and stream is not None:
            arena.give(stream)
        arena.take(logits(work))


def outputs(work: Work) -> Sequence[int]:
    """The indices of the rows that are outputs."""
    return (padded(F32 * work.counts.outputs, 32),)


def pools(work: Work) -> Sequence[int]:
    """Which rows of each slot are pooled, or how much of each: read last."""
    if not is_pooled(work):
        return ()
    return ((work.column if work.pooling == "mean" else F32) * work.counts.slots,)

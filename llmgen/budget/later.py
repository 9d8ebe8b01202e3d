"""Plain layers of a device whose first layers are elsewhere, replayed layer by layer.

Such layers are one part of the graph, whose inputs are copied to the device when it starts, in the
order in which they are read (``ggml_backend_sched_split_graph`` in ``ggml-backend.cpp``).
"""

from __future__ import annotations

from msgspec.structs import replace

from llmgen.budget.architectures import Family
from llmgen.budget.arena import Arena
from llmgen.budget.graphs import (
    FOUR_POSITIONS,
    LATENT,
    PARALLEL,
    POST_NORMED,
    UNROTATED_EVERY,
)
from llmgen.budget.hosted import shared_expert
from llmgen.budget.logits import has_logits, logits
from llmgen.budget.replay import Start, part, pools, replay, take_caches, take_picks
from llmgen.budget.work import Run, Work


def is_replayed_later(work: Work, run: Run) -> bool:
    """Whether the layers of this device are plain ones, and one part of the graph."""
    model = work.model
    if not run.partial or run.divided or not run.layers:
        return False
    if run.hosted.intersection(run.layers) and not work.kv_offload:
        return False
    if work.kv_offload and not work.flash:
        return False
    shallow = run.layers[0] >= work.deep
    latent = model.name == LATENT and (run.crossed or work.kv_offload) and work.type_k != "f32"
    if (model.mla and not latent) or not _is_plain(work) or not shallow:
        return False
    if not work.whole(run):
        return True
    return model.name not in (*PARALLEL, "llama4")


def _is_plain(work: Work) -> bool:
    model = work.model
    return model.rules.family is Family.PLAIN and not work.layer_inputs


def replayed_output(work: Work) -> int:
    """How large the buffer of a device gets that has nothing but the output."""
    arena = Arena()
    rows = replace(work, counts=replace(work.counts, ubatch=work.counts.outputs))
    last = Run(partial=True, layers=(work.model.trunk,))
    cut = [arena.take(size) for size in _cut(rows, last)]
    for size in pools(work):
        arena.take(size)
    _joined(arena, rows, last, cut)
    if has_logits(work):
        arena.take(logits(work))
    return arena.peak


def replayed_later(work: Work, run: Run) -> int:
    """How large the buffer gets."""
    arena, cut = Arena(), _cut(work, run)
    if run.crossed and not work.kv_offload and len(cut) > 1:
        cut.pop()  # the stream itself is read behind attention, which is another part
    places = [arena.take(size) for size in cut]
    start = Start(None)
    if turned := _turned(work, run):
        positions = 4 if work.model.name in FOUR_POSITIONS else 1
        start.read[turned[-1]] = [arena.take(work.column * positions)]
    first = part(run, run.layers[0])
    take_caches(arena, work, run, first, start)
    if work.kv_offload and (first == run.layers or work.model.trunk - 1 in first):
        take_picks(arena, work, run, start)
    start.stream, start.normed = _joined(arena, work, run, places)
    replay(arena, work, run, start)
    return arena.peak


def _cut(work: Work, run: Run) -> list[int]:
    """What the layer before hands over.

    From a device that is the stream with its norm, from the host the parts that are added here.
    """
    model, stream = work.model, work.stream
    if _follows(run):
        return [stream] if model.name in POST_NORMED else [stream, stream]
    if model.name == "gemma4":  # scales the sum of its parts by a weight of the layer
        return [stream]
    used = model.header.most("expert_used_count")
    dense = run.layers[0] <= model.header.count("leading_dense_block_count")
    if not used or dense:
        return [stream, stream]
    if shared_expert(work):
        return [stream, stream, stream]
    return [used * stream, used * work.column, stream]


def _follows(run: Run) -> bool:
    """Whether a device made the stream, with experts of its own or without any."""
    return run.crossed and run.layers[0] - 1 not in run.hosted


def _turned(work: Work, run: Run) -> list[int]:
    """The layers that read positions."""
    every = UNROTATED_EVERY.get(work.model.name, 0)
    return [layer for layer in run.layers if not every or (layer + 1) % every]


def _joined(arena: Arena, work: Work, run: Run, cut: list[int]) -> tuple[int | None, int | None]:
    """The residual stream, and its norm where that came along."""
    if _follows(run):
        if work.model.name in POST_NORMED:
            return cut[0], None
        return (cut[1] if len(cut) > 1 else None), cut[0]
    first, *others = cut
    if len(cut) == 3 and not shared_expert(work):
        arena.give(others.pop(0))  # the weights of the experts are multiplied in place
        first = arena.move(first, work.stream)
    for at in others:
        arena.give(at)
    return first, None

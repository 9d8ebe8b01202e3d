"""A model of plain layers whose cache is on the host, replayed layer by layer.

Each layer copies its K and V to the device that runs attention (``ggml-backend.cpp``).
"""

from __future__ import annotations

from llmgen.budget.architectures import Family
from llmgen.budget.arena import Arena
from llmgen.budget.graphs import FOUR_POSITIONS, LATENT, PARALLEL
from llmgen.budget.replay import Start, replay
from llmgen.budget.work import Run, Work, rotations


def is_replayed(work: Work, run: Run) -> bool:
    """Whether the blocks of this model's layers are the plain ones, with their cache elsewhere."""
    model = work.model
    plain = model.rules.family is Family.PLAIN and not work.layer_inputs
    latent = model.name == LATENT and work.type_k != "f32"
    alike = model.name not in (*PARALLEL, "llama4")
    apart = not work.kv_offload and not run.partial
    return apart and plain and alike and run.experts and (latent or not model.mla)


def replayed(work: Work, run: Run) -> int:
    """How large the buffer gets."""
    arena = Arena()
    stream, positions = _inputs(arena, work)
    replay(arena, work, run, Start(stream, read={run.layers[-1]: [positions]}))
    return arena.peak


def _inputs(arena: Arena, work: Work) -> tuple[int, int]:
    """Where embedding and positions lie.

    What comes with mixed batches lies beside them for the whole graph. Where rows of later layers
    are behind those of the stream, all inputs are as wide.
    """
    wide = work.input_stream
    stream = arena.take(work.stream) if work.pads_rows else None
    mixed = []
    if work.mixed:
        mixed = [arena.take(size) for size in (work.stream, wide, 2 * work.column)]
    if stream is None:
        stream = arena.take(work.deep_rows)
    positions = arena.take(work.column * (4 if work.model.name in FOUR_POSITIONS else 1))
    for size in rotations(work, windowed=work.model.windows.layers[0]):
        arena.take(size)
    if work.pads_rows:
        stream = arena.move(stream, wide)
    if work.mixed:
        if work.deep:
            mixed[0] = arena.move(mixed[0], wide)
        arena.take(wide)
        for at in mixed:
            arena.give(at)
    return stream, positions

"""A model of plain layers whose cache is on the host, replayed layer by layer.

Each layer copies its K and V to the device that runs attention (``ggml-backend.cpp``).
"""

from __future__ import annotations

from llmgen.budget.architectures import Family
from llmgen.budget.arena import Arena
from llmgen.budget.graphs import FOUR_POSITIONS, PARALLEL
from llmgen.budget.replay import Start, replay
from llmgen.budget.work import Run, Work, rotations


def is_replayed(work: Work, run: Run) -> bool:
    """Whether the blocks of this model's layers are the plain ones, with their cache elsewhere."""
    model = work.model
    plain = model.rules.family is Family.PLAIN and not model.mla and not work.layer_inputs
    alike = model.name not in (*PARALLEL, "llama4")
    apart = not work.kv_offload and not run.partial
    return apart and plain and alike and work.input_stream == work.stream and run.experts


def replayed(work: Work, run: Run) -> int:
    """How large the buffer gets."""
    arena = Arena()
    stream, positions = _inputs(arena, work)
    replay(arena, work, run, Start(stream, read={run.layers[-1]: [positions]}))
    return arena.peak


def _inputs(arena: Arena, work: Work) -> tuple[int, int]:
    """Where embedding and positions lie.

    What comes with mixed batches lies beside them for the whole graph.
    """
    mixed = [arena.take(size) for size in (work.stream, work.stream, 2 * work.column)]
    if not work.mixed:
        for at in mixed:
            arena.give(at)
        arena.peak = 0
    stream = arena.take(work.stream)
    positions = arena.take(work.column * (4 if work.model.name in FOUR_POSITIONS else 1))
    for size in rotations(work, windowed=work.model.windows.layers[0]):
        arena.take(size)
    if work.mixed:
        arena.take(work.stream)
        for at in mixed:
            arena.give(at)
    return stream, positions

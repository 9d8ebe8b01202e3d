"""A model of plain layers whose cache is on the host, replayed layer by layer.

Each layer copies its K and V to the device that runs attention (``ggml-backend.cpp``).
"""

from __future__ import annotations

from llmgen.budget.architectures import Family
from llmgen.budget.arena import Arena
from llmgen.budget.blocks import attention, block
from llmgen.budget.graphs import FOUR_POSITIONS, FUSED, PARALLEL, UNROTATED_EVERY
from llmgen.budget.hosted import shared_expert
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
    for layer in range(work.model.trunk):
        later = work.model.windows.layers[layer + 1 : work.model.trunk]
        added = attention(arena, work, layer, masks, later=later)
        arena.give(stream)
        stream = added
        if layer + 1 < work.model.trunk or work.embeds:
            stream = block(arena, work, layer, stream)
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

"""Latent attention, replayed as ``src/models/deepseek2.cpp`` builds it.

One row holds the latent part and the rotated one. Attention reads it as K, and its latent part as
V, so a device copies it twice when it is on the host.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmgen.budget.arena import Arena
from llmgen.budget.rows import F32, row_bytes
from llmgen.budget.work import Work


def latent_attention(
    arena: Arena,
    work: Work,
    masks: dict[bool, int],
    *,
    normed: int | None,
    later: Sequence[bool],
    spent: Sequence[int],
    arriving: Sequence[int],
    arrived: list[int],
) -> int:
    """What attention adds to the residual stream; as ``blocks.attention``."""
    if normed is None:
        normed = arena.take(work.stream)
    query = _query(arena, work)
    _stored(arena, work, normed)
    for at in spent:
        arena.give(at)
    copies = [] if work.kv_offload else [arena.take(size) for size in _copies(work)]
    if False not in masks:
        mask = work.counts.cells * work.counts.ubatch * (2 if work.flash else F32)
        masks[False] = arena.take(mask)
    arrived += [arena.take(size) for size in arriving]
    read = _fused(arena, work, query, copies) if work.flash else _scored(arena, work, query, copies)
    if not later:
        arena.give(masks[False])
    values = _heads(work) * work.model.header.count("attention.value_length_mla") * work.column
    return arena.move(arena.move(arena.move(read, values), values), work.stream)


def _heads(work: Work) -> int:
    return max(work.model.heads)


def _latent(work: Work) -> int:
    return work.model.header.count("attention.kv_lora_rank", 512)


def _query(arena: Arena, work: Work) -> int:
    """Its plain part is absorbed into the latent space, the other one rotated, and both joined."""
    model, column = work.model, work.column
    width = _heads(work) * model.header.count("attention.key_length_mla") * column
    rank = model.header.count("attention.q_lora_rank")
    query = arena.move(arena.take(rank * column), width) if rank else arena.take(width)
    absorbed = arena.take(_heads(work) * _latent(work) * column)
    rotated = arena.take(_heads(work) * (model.key_length - _latent(work)) * column)
    arena.give(query)
    joined = arena.take(_heads(work) * model.key_length * column)
    arena.give(absorbed)
    arena.give(rotated)
    return joined


def _stored(arena: Arena, work: Work, normed: int) -> None:
    """The row of each token, until the host has it."""
    row, latent = work.model.key_length * work.column, _latent(work) * work.column
    both = arena.take(row)
    arena.give(normed)
    compressed, rotated = arena.take(latent), arena.take(row - latent)
    arena.give(both)
    joined = arena.take(row)
    for at in (compressed, rotated, joined):
        arena.give(at)


def _copies(work: Work) -> tuple[int, int]:
    """K, and V from its first element to its last one; scores read V first."""
    rows = work.counts.cells * work.counts.streams
    key = row_bytes(work.type_k, work.model.key_length)
    last = row_bytes(work.type_k, _latent(work)) - key
    sizes = key * rows, key * rows + last
    return sizes if work.flash else (sizes[1], sizes[0])


def _fused(arena: Arena, work: Work, query: int, copies: Sequence[int]) -> int:
    result = arena.take(_heads(work) * _latent(work) * work.column)
    for at in (query, *copies):
        arena.give(at)
    return result


def _scored(arena: Arena, work: Work, query: int, copies: Sequence[int]) -> int:
    """V is turned first, into rows of its own."""
    cells = work.counts.cells
    turned = row_bytes(work.type_k, _latent(work)) * cells * work.counts.streams
    values = arena.move(copies[0], turned)
    scores = arena.take(_heads(work) * cells * work.column)
    arena.give(query)
    arena.give(copies[1])
    result = arena.take(_heads(work) * _latent(work) * work.column)
    arena.give(values)
    arena.give(scores)
    return result

"""Which layers keep keys for the lightning indexer, and how wide they are."""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.shape.architectures import Architecture
from llmgen.budget.shape.header import Header


def indexer_width(rules: Architecture, header: Header, steps: frozenset[Rule]) -> int:
    """Elements of one indexer key."""
    if Rule.NO_INDEXER in steps:
        return 0
    pooled = header.most(rules.pooled_by) > 0 and Rule.ONE_POOLED_ROW not in steps
    rows = rules.pooled_rows if pooled else 1
    return header.count("attention.indexer.key_length") * rows


def indexed_layers(
    rules: Architecture, header: Header, blocks: int, nextn: int, steps: frozenset[Rule]
) -> tuple[bool, ...]:
    """Mark the layers whose indexer is a full one."""
    if Rule.EVERY_INDEXER in steps:
        return (True,) * blocks
    listed = header.listed("attention.indexer.types")
    if listed:
        marks = tuple(bool(item) for item in listed[: blocks - nextn])
        return marks + (False,) * (blocks - len(marks))
    if 0 < rules.sparse_context <= header.count("context_length"):
        return tuple(il < 2 or (il - 2) % 4 == 0 for il in range(blocks))
    return (rules.indexes_every,) * blocks

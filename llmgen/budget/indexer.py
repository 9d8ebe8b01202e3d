"""Which layers keep keys for the lightning indexer, and how wide they are."""

from __future__ import annotations

from typing import Final

from llmgen.budget.builds import Rule
from llmgen.budget.header import Header

# glm-dsa without `indexer.types`: from this trained context on, GLM-5.2's default pattern.
_SPARSE_CONTEXT = 1048576
_EVERY_LAYER = ("glm-dsa", "glm5-next", "deepseek32")


# Pooled indexers keep key, gate and pooled key side by side, qwen4exp no gate (indexer_kpool_row).
_POOLED_ROWS: Final = {"qwen4exp": 2}


def indexer_width(name: str, header: Header, steps: frozenset[Rule]) -> int:
    """Elements of one indexer key."""
    if Rule.NO_INDEXER in steps:
        return 0
    pooled = header.count("attention.indexer.kpool") > 0 and Rule.ONE_POOLED_ROW not in steps
    rows = _POOLED_ROWS.get(name, 3) if pooled else 1
    return header.count("attention.indexer.key_length") * rows


def indexed_layers(
    name: str, header: Header, blocks: int, nextn: int, steps: frozenset[Rule]
) -> tuple[bool, ...]:
    """Mark the layers whose indexer is a full one."""
    if Rule.EVERY_INDEXER in steps:
        return (True,) * blocks
    listed = header.listed("attention.indexer.types")
    if listed:
        marks = tuple(bool(item) for item in listed[: blocks - nextn])
        return marks + (False,) * (blocks - len(marks))
    if name == "glm-dsa" and header.count("context_length") >= _SPARSE_CONTEXT:
        return tuple(il < 2 or (il - 2) % 4 == 0 for il in range(blocks))
    return (name in _EVERY_LAYER,) * blocks

"""The rows of attention in encoders, which have no cache."""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.graphs import FUSED_ENCODERS
from llmgen.budget.rows import F32, padded
from llmgen.budget.work import Work


def encoder_rows(work: Work) -> int:
    """Without a cache Q, K and V are rows of their own, and V is transposed."""
    if work.model.name in FUSED_ENCODERS:
        return 4 * work.query
    late = Rule.ENCODER_STREAM in work.model.build
    rows = work.model.key_width(0) + 2 * work.model.value_width(0)
    return rows * work.column - (2 * work.stream if late else 0)


def last_of_encoder(work: Work) -> int:
    """The stream, the mask, and Q, K and V, of which K is cast as flash attention reads it."""
    keys, values = work.model.key_width(0) * work.column, work.model.value_width(0) * work.column
    rows = work.query + keys + values + keys // 2
    if work.model.name in FUSED_ENCODERS:  # Q and K once more, with their positions
        rows += work.query + keys
    return work.stream + work.mask + padded(F32 * work.counts.outputs, 32) + rows

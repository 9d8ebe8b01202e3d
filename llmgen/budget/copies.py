"""What pipeline parallelism adds to the compute buffers: copies of what goes into each device.

With several devices that share all layers, each input exists four times, so that one micro-batch
can be read while the next ones are prepared (GGML_SCHED_MAX_COPIES in ``ggml-backend.cpp``).
"""

from __future__ import annotations

from typing import Final

from llmgen.budget.architectures import Family
from llmgen.budget.builds import Rule
from llmgen.budget.graphs import (
    ALTERNATING,
    COPIED_BY_NAME,
    COPIED_STREAMS,
    OLDER_COPIED_BY_NAME,
    OLDER_COPIED_STREAMS,
    OTHER_SIDE,
    PARALLEL,
    ROTATED_CROSSING,
)
from llmgen.budget.rows import is_quantized
from llmgen.budget.work import Work, input_rows

# A rotated query of a stream's size has a place of its own beside theirs.
_OWN_PLACE: Final = (*PARALLEL, *OTHER_SIDE, *ALTERNATING)


def pipeline_copies(work: Work, position: int) -> int:
    """What the copies add on the host (-1), the first device (0) or a later one."""
    copies = 3 * (work.mask + work.decay + input_rows(work))
    if not work.mixed and not work.layer_inputs:
        return copies + _older_copies(work, position)
    if position < 0:
        return copies + 6 * (work.input_stream + work.column)
    copies += work.decay  # one of several copies is not overwritten in its place
    query = work.query if work.model.rules.family in (Family.PLAIN, Family.INDEXED) else 0
    if work.rotated and query <= work.stream and work.model.name not in _OWN_PLACE:
        query = max(0, 2 * query - work.stream) if work.narrow else 0
    if work.model.mla:
        query = work.stream
    family = COPIED_STREAMS.get(work.model.rules.family, (11, 6))
    streams = COPIED_BY_NAME.get(work.model.name, family)[position > 0]
    if work.model.name in ROTATED_CROSSING and is_quantized(work.type_k):
        streams += 4
    if work.input_stream > work.stream:
        left = Rule.DEEP_ROWS_LEFT in work.model.build
        streams += (12 if left else 57) if position == 0 else (-5 if left else -16)
    if work.layer_inputs:
        query += 3 * work.stream + (work.layer_inputs if position == 0 else 0)
    return copies + streams * work.stream + query


def _older_copies(work: Work, position: int) -> int:
    """Before batches could mix tokens and embeddings.

    The host's input, the embeddings on the first device, and on a later one the residual stream
    and its norm, which the scheduler finds on either side of the cut between two layers.
    """
    if position < 0:
        return 3 * (work.input_stream + work.column)
    streams = OLDER_COPIED_BY_NAME.get(work.model.name, OLDER_COPIED_STREAMS)[position > 0]
    return streams * work.stream

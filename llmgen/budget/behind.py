"""What a device needs less, or more, when the first layers are somewhere else."""

from __future__ import annotations

from llmgen.budget.architectures import Family
from llmgen.budget.graphs import ALTERNATING, FUSED, OTHER_SIDE, PARALLEL, PARTIAL_EXPERTS
from llmgen.budget.stages import front
from llmgen.budget.work import Run, Work


def behind(work: Work, run: Run, what: str) -> int:
    """Bytes beside those of the same stage where the first layers are, too.

    Inputs of the graph stay with the first layers: what is left depends on the largest stage.
    """
    unit = work.stream + work.column
    match what:
        case "feed-forward":
            columns = 1 - (3 if work.mixed else 0)
            return _streams(work, run) - front(work, run) + columns * work.column
        case "experts":
            if len(work.whole(run)) == 1:  # nothing of a layer before it is in the way
                return -2 * unit
            return PARTIAL_EXPERTS.get(work.model.name, -1) * unit
        case "attention":
            # One of query, rotated query and result fits where the mask left room; not where one
            # product gives Q, K and V.
            spare = 0 if work.type_k == "f32" or work.model.name in FUSED else work.query
            return -2 * work.stream - spare - _unread_mask(work, run)
        case "attention scores":
            return -_unread_mask(work, run)
        case "latent attention":
            return -unit
        case "recurrent state" if work.model.rules.family is Family.RECURRENT:
            return work.stream  # the norm is computed beside the stream
        case _:
            return 0


def _streams(work: Work, run: Run) -> int:
    """Streams beside a feed-forward block: its own and the one that it is added to."""
    model, whole = work.model, work.whole(run)
    streams = 2 * work.stream - _unread_mask(work, run)
    if model.name in (*PARALLEL, *OTHER_SIDE):
        streams += work.stream
    if model.name in ALTERNATING and len(whole) > 1 and not model.recurrent[run.layers[0]]:
        streams += work.stream
    if model.name == "gemma4" and whole and not run.crossed:
        streams += max(map(work.query_width, run.layers)) * work.column
    # Of per-layer inputs only those of its own layers come to a device.
    return streams + work.layer_inputs * len(run.layers) // max(1, model.layers)


def _unread_mask(work: Work, run: Run) -> int:
    """The mask of layers without a window, where all of the device's have one."""
    marks = work.model.windows.layers
    return work.full_mask if all(marks[il] for il in run.layers) else 0

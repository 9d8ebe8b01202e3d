"""The logits, and what the graph leaves alive beside or below them.

An input of the last layer, the indices of the outputs, comes late and lies wherever there is room
(best fit in ``ggml-alloc.c``); logits that are larger than every hole come behind it.
"""

from __future__ import annotations

from typing import Final

from llmgen.budget.builds import Rule
from llmgen.budget.graphs import FUSED, NARROW, PARALLEL, UNGATED_EXPERTS
from llmgen.budget.hosted import shared_expert
from llmgen.budget.rows import F32
from llmgen.budget.work import Run, Work

_POOLED: Final = ("mean", "cls", "last", "rank")


def is_pooled(work: Work) -> bool:
    """Whether a server hands over one row for each slot."""
    return work.embeds and work.pooling in _POOLED


def has_logits(work: Work) -> bool:
    """Some embedding servers have no logits in their graph."""
    build = work.model.build
    pooled = Rule.POOLED_WITHOUT_LOGITS in build and work.pooling in _POOLED
    return not (pooled and work.embeds) and not (
        work.embedding and Rule.EMBEDS_WITHOUT_LOGITS in build
    )


def logits(work: Work) -> int:
    """A row of the vocabulary for each output."""
    every = Rule.LOGITS_FOR_MICRO_BATCH in work.model.build
    return F32 * (work.counts.ubatch if every else work.counts.outputs) * work.model.vocabulary


def below_logits(work: Work, run: Run, base: int, block: int) -> int:
    """What is alive beside the logits, or below them; ``block`` is the largest feed-forward."""
    if not work.mixed:
        return _older(work, run, block) if work.embeds else work.stream
    if work.embeds and run.partial:
        return _behind(work, base)
    if work.model.name in PARALLEL:
        return base - work.stream
    if work.layer_inputs:  # those of the last layer are spent
        twice = Rule.LAYER_ROWS_FIRST in work.model.build
        return base - (work.layer_inputs if twice else work.stream)
    deep = work.input_stream > work.stream and not run.partial
    return base + (9 * work.stream if deep else 0)


def _behind(work: Work, base: int) -> int:
    """Embedding servers whose first layers are elsewhere, so that most inputs are there."""
    model, stream = work.model, work.stream
    if work.pooling in _POOLED:
        return base - (3 if work.narrow else 2) * stream
    return (3 if any(model.recurrent) else 2 if model.mla else 1) * stream


def _older(work: Work, run: Run, block: int) -> int:
    """Embedding servers before batches could mix tokens and embeddings."""
    name, stream = work.model.name, work.stream
    narrow = work.mask <= stream  # where the mask was is no room for a stream
    if Rule.LOGITS_BEHIND_EXPERTS in work.model.build and work.mask < stream:
        return block
    if name == "gemma4" and work.layer_inputs and run.layers:
        # Its per-layer inputs need the indices, too, while attention is alive.
        return work.mask + 3 * stream + 2 * work.query
    if name in NARROW and narrow:
        return work.mask + (3 if name in FUSED else 2) * stream
    if outputs := _low_outputs(work):
        return outputs + 3 * stream + (work.mask if narrow else 0)
    # Rows that are pooled come late, as the indices do, and the mask stays below them.
    late = work.pooling in _POOLED and work.flash and not work.hosted_attention
    # Attention of its last layer reads the mask, which a stream does not replace if it is wider;
    # matrices of a rotation, or a cache that comes late, leave another place for the logits.
    late = late or (name == "qwen35" and work.kv_offload and not work.rotated)
    return stream + (work.mask if late else 0)


def _low_outputs(work: Work) -> int:
    """Outputs of experts in the place of the gate's inputs, below those of a shared expert."""
    model = work.model
    used = model.header.most("expert_used_count")
    hidden = model.header.most("expert_feed_forward_length")
    fits = model.embedding <= 2 * hidden and model.name not in UNGATED_EXPERTS
    return used * work.stream if fits and shared_expert(work) else 0

"""The compute buffers: the largest set of activations that is alive at once in the worst graph.

``llama_context`` reserves a prompt graph of one micro-batch with a full cache; the buffer is a
maximum over the few stages that can dominate it, not a sum. Each stage below is one such set.
"""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.budget.architectures import Family
from llmgen.budget.builds import Rule
from llmgen.budget.graphs import (
    COPIED_BY_NAME,
    COPIED_STREAMS,
    OUTPUT_STREAMS,
    PARTIAL_EXPERTS,
    UNGATED_ENCODERS,
)
from llmgen.budget.rows import F32
from llmgen.budget.stages import feed_forward, kept, stages
from llmgen.budget.work import Run, Stage, Work, input_rows


def summands(work: Work, stage: Stage) -> Iterator[Stage]:
    """A buffer's bytes as a person adds them: masks, inputs, and the elements of each token."""
    mask, inputs = work.mask, input_rows(work)
    rest = stage.bytes - mask - inputs
    if rest <= 0:
        yield stage
        return
    if mask:
        cells = mask // (work.counts.ubatch * (2 if work.flash else 4))
        yield Stage(f"masks: {cells} cells x {work.counts.ubatch} tokens", mask)
    yield Stage("positions, cache indices, output rows", inputs)
    elements = rest // work.column
    yield Stage(f"{stage.what}: {elements} elements x {work.column} B", rest)


def device_compute(work: Work, run: Run | None = None) -> Stage:
    """The buffer of a device that runs layers."""
    run = run or Run()
    largest = max(stages(work, run), key=lambda stage: stage.bytes)
    total = largest.bytes + kept(work) + input_rows(work)
    if run.partial:
        total += _partial_streams(work, largest) * (work.stream + work.column)
    return Stage(largest.what, total)


def _partial_streams(work: Work, stage: Stage) -> int:
    """Streams of the input stay on the host; rows of attention may need more instead."""
    if work.model.name in UNGATED_ENCODERS:
        return 0
    match stage.what:
        case "feed-forward":
            return -2
        case "experts":
            return PARTIAL_EXPERTS.get(work.model.name, -1)
        case "latent attention":
            return -1
        case _:
            return 0


def visited_compute(work: Work, *, layers: bool, experts: bool) -> Stage:
    """The host's buffer when some tensors of the devices' layers are kept on it."""
    largest = Stage("inputs", host_compute(work))
    base = work.mask + 2 * work.stream + input_rows(work) + 2 * work.column
    for stage in feed_forward(work, base, Run()):
        held = experts if stage.what == "experts" else layers
        if held and stage.bytes > largest.bytes:
            largest = stage
    return largest


def host_only_compute(work: Work) -> Stage:
    """The buffer when nothing is offloaded: the embedding of the input is in it, too."""
    found, beside = device_compute(work), work.stream + 2 * work.column
    if work.input_stream > work.stream:
        left = Rule.DEEP_ROWS_LEFT in work.model.build
        beside += (6 if left else -6 if work.mixed else 2) * work.stream
    if work.model.rules.family is Family.RECURRENT and work.mixed:
        beside += 2 * work.stream
    late = Rule.ENCODER_STREAM in work.model.build
    if work.model.name in UNGATED_ENCODERS and work.mixed and not late:
        beside += 2 * work.stream + work.column
    return Stage(found.what, found.bytes + beside)


def output_compute(work: Work) -> Stage:
    """The buffer of a device that holds nothing but the output."""
    if work.model.rules.family is Family.ENCODER:
        return Stage("nothing", 0)
    width = work.model.vocabulary + work.model.embedding
    rows = F32 * work.counts.outputs * width
    streams = OUTPUT_STREAMS.get(work.model.name, 0) * work.stream
    return Stage(
        "logits", max(rows, streams + (work.layer_inputs if work.model.name == "gemma3n" else 0))
    )


def host_compute(work: Work) -> int:
    """The host's buffer when everything is offloaded: the inputs of the graph."""
    scores = work.mask if work.indexed else 0
    inputs = input_rows(work) + 2 * work.column
    rows = (3 if work.mixed else 1) * work.input_stream + work.stream
    if work.model.name in UNGATED_ENCODERS or work.layer_inputs:
        rows += work.stream
    if work.layer_inputs:
        inputs += 2 * work.column
    return work.mask + rows + work.layer_inputs + scores + inputs


def pipeline_copies(work: Work, position: int) -> int:
    """What the copies of the inputs add on the host (-1), the first device (0) or a later one.

    With several devices that share all layers, each input exists four times, so that one
    micro-batch can be read while the next ones are prepared (GGML_SCHED_MAX_COPIES).
    """
    copies = 3 * (work.mask + input_rows(work))
    if position < 0:
        return copies + 6 * (work.input_stream + work.column)
    query = work.query if work.model.rules.family in (Family.PLAIN, Family.INDEXED) else 0
    if work.model.mla:
        query = work.stream
    family = COPIED_STREAMS.get(work.model.rules.family, (11, 6))
    streams = COPIED_BY_NAME.get(work.model.name, family)[position > 0]
    if Rule.ENCODER_STREAM in work.model.build and position == 0:
        streams += 5
    if work.input_stream > work.stream:
        left = Rule.DEEP_ROWS_LEFT in work.model.build
        streams += (12 if left else 57) if position == 0 else (-5 if left else -16)
    if work.model.name == "gemma3n":
        query += 10 * work.layer_inputs
    elif work.layer_inputs:
        query += 3 * work.stream + (work.layer_inputs if position == 0 else 0)
    return copies + streams * work.stream + query

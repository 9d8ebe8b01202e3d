"""The compute buffers: the largest set of activations that is alive at once in the worst graph.

``llama_context`` reserves a prompt graph of one micro-batch with a full cache; the buffer is a
maximum over the few stages that can dominate it, not a sum. Each stage below is one such set.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from llmgen.budget.architectures import Family
from llmgen.budget.behind import behind
from llmgen.budget.borrowed import below_logits
from llmgen.budget.builds import Rule
from llmgen.budget.graphs import OUTPUT_STREAMS, PARALLEL
from llmgen.budget.logits import has_logits, is_pooled, logits
from llmgen.budget.rows import F32
from llmgen.budget.stages import attended, feed_forward, kept, stages
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


def device_compute(work: Work, run: Run | None = None, borrowed: int = 0) -> Stage:
    """The buffer of a device that runs layers and copies ``borrowed`` bytes of others' caches."""
    run = run or Run()
    below = below_logits(work, borrowed)
    beside = (
        Stage(what, size + (below if what == "logits" else borrowed))
        for what, size in stages(work, run)
    )
    largest = max(beside, key=lambda stage: stage.bytes)
    total = largest.bytes + kept(work) + input_rows(work)
    if run.partial and not work.hosted_attention and not run.bare:
        total += behind(work, run, largest.what)
    return Stage(largest.what, total)


def visited_compute(
    work: Work, *, layers: bool, experts: bool, attention: bool = False, output: bool = False
) -> Stage:
    """The host's buffer when some tensors of the devices' layers, or the output, are kept on it."""
    largest = Stage("inputs", host_compute(work))
    if output and has_logits(work):
        late = work.mask + input_rows(work) if is_pooled(work) else 0
        rows = Stage("logits", logits(work) + 2 * work.stream + work.column + late)
        largest = max(largest, rows, key=lambda stage: stage.bytes)
    if attention:
        scores = Stage("attention", host_compute(work) + attended(work))
        largest = max(largest, scores, key=lambda stage: stage.bytes)
    base = work.mask + 2 * work.stream + input_rows(work) + 2 * work.column
    for stage in feed_forward(work, base, Run()):
        held = experts if stage.what == "experts" else layers
        if held and stage.bytes > largest.bytes:
            largest = stage
    return largest


def pinned_attention(work: Work) -> int:
    """What attention takes on the host, where ``build_attn_mha`` pins it beside its cache.

    Without flash attention alone. ``llama-fit-params`` forgets the pin before it measures, so the
    figures of devices have these scores, too; a server has them on the host.
    """
    if work.kv_offload or work.flash or work.hosted_attention or not work.mask:
        return 0
    return attended(work)


def host_only_compute(work: Work, *, output: bool = True) -> Stage:
    """The buffer of a host that runs layers, and maybe the output, beside the input's embedding."""
    # Its cache is where its layers are: none is fetched.
    flash = work.flash and (work.sure or not work.hosted_attention)
    near = replace(work, kv_offload=True, flash=flash)
    found, beside = device_compute(near, Run(output=output)), work.stream + 2 * work.column
    if work.input_stream > work.stream:
        left = Rule.DEEP_ROWS_LEFT in work.model.build
        beside += (6 if left else -6 if work.mixed else 2) * work.stream
    if work.model.rules.family is Family.RECURRENT and work.mixed:
        beside += 2 * work.stream
    if Rule.LAYER_ROWS_FIRST in work.model.build and work.layer_inputs:
        beside -= work.layer_inputs + work.stream  # no device has a second copy
    return Stage(found.what, found.bytes + beside)


def output_compute(work: Work) -> Stage:
    """The buffer of a device that holds nothing but the output."""
    whole = Rule.LAST_LAYER_WHOLE in work.model.build
    streams = _handed_over(work, whole=whole)
    if not streams and not work.layer_inputs:
        from llmgen.budget.later import replayed_output  # as for replayed stages

        return Stage("logits", replayed_output(work))
    if whole and work.embeds and has_logits(work):
        return Stage("logits", streams + logits(work))
    rows = F32 * work.counts.outputs * (work.model.vocabulary + work.model.embedding)
    beside = work.model.name == "gemma4"  # whose one stream is no room for the logits
    return Stage("logits", rows + streams if beside else max(rows, streams))


def _handed_over(work: Work, *, whole: bool) -> int:
    """Streams of every token that the last layer hands over to the output."""
    name = work.model.name
    streams = OUTPUT_STREAMS.get(name, 0) * work.stream
    return streams if whole or (name in PARALLEL and not work.embeds) else 0


def host_compute(work: Work) -> int:
    """The host's buffer when everything is offloaded: the inputs of the graph."""
    scores = work.mask if work.indexed else 0
    inputs = input_rows(work) + 2 * work.column
    rows = (3 if work.mixed else 1) * work.input_stream + work.stream
    if work.mixed and work.pads_rows:  # what is padded elsewhere is a stream here
        rows -= work.input_stream - work.stream
    twice = Rule.LAYER_ROWS_FIRST in work.model.build
    if work.layer_inputs and work.mixed and not twice:
        rows += work.stream
    if work.layer_inputs:
        inputs += (2 if work.mixed else 1) * work.column
    if work.hosted_attention:
        rows += _host_attention(work)
    return work.mask + work.decay + rows + work.layer_inputs + scores + inputs


def _host_attention(work: Work) -> int:
    """The query, and without flash attention scores of every head, V, and twice as wide a mask."""
    model, counts = work.model, work.counts
    if work.sure:
        return work.query
    cells = counts.cells if work.full_mask else counts.window_cells
    scores = cells * max(model.heads) * work.column
    values = max(map(model.value_width, range(model.layers))) * cells * counts.streams * 2
    return scores + work.query + values + (work.mask if work.flash else 0)

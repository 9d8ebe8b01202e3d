"""The sets of activations that can be the largest in the worst graph of a device."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from llmgen.budget.architectures import Family, Recurrent, State
from llmgen.budget.builds import Rule
from llmgen.budget.graphs import (
    FUSED,
    GATED_DELTA,
    NARROW,
    OTHER_SIDE,
    PARALLEL,
    SHORT_SCAN,
    UNGATED_EXPERTS,
)
from llmgen.budget.hosted import hosted_experts
from llmgen.budget.hyperparameters import Hyperparameters
from llmgen.budget.logits import below_logits, has_logits, logits
from llmgen.budget.rows import F32, padded, row_bytes
from llmgen.budget.work import Run, Stage, Work, input_rows


def stages(work: Work, run: Run) -> Iterator[Stage]:
    """Everything that can be the largest set."""
    if run.bare:
        yield from _without_attention(work, run)
        return
    if (run.partial or not work.kv_offload) and (only := _replayed(work, run)):
        yield only
        return
    own = run.layers or range(work.model.layers)
    attends = any(map(work.model.attends, own)) or _attends_for_host(work, run)
    # Where attention stays on the host, neither masks nor caches come to a device.
    base = front(work, run) + (work.mask if attends and not work.hosted_attention else 0)
    if run.output and has_logits(work):
        block = max((stage.bytes for stage in feed_forward(work, base, run)), default=base)
        yield Stage("logits", below_logits(work, run, base, block) + logits(work))
    if work.hosted_attention:
        yield from _beside_hosted(work, run, base)
        return
    fetched = fetched_cache(work)
    if not run.layers or work.whole(run):
        room = _spent_mask(work, run)
        for stage in feed_forward(work, base, run):
            hole = _hole(work, run, stage.what, fetched)
            yield Stage(stage.what, stage.bytes + hole - _reused(work, stage.what, room))
    if fetched:
        yield _beside_fetched(work, base, fetched)
    if attends:
        yield _attention(work, run, base)
    if _attends_for_host(work, run):
        yield _attention_of_host(work, run)
    elif run.crossed and not work.flash and work.model.rules.state is State.SHORT_CONV:
        rows = max(_scored(work, il) for il in run.layers)
        yield Stage("scores beside values", rows and work.mask + 3 * work.stream + rows)
    if any(work.model.recurrent[il] for il in own):
        yield from _recurrent(work, run, base)
    if run.partial and not attends and work.model.rules.state is State.SHORT_CONV:
        # The stream, its norm, three parts of a product, and one of them behind its state.
        states = 2 * F32 * work.model.rows.convolution * work.counts.slots
        yield Stage("short convolution", 6 * work.stream + states - input_rows(work))


def _replayed(work: Work, run: Run) -> Stage | None:
    """The one stage of blocks that are replayed; a cold start without them does not load these."""
    from llmgen.budget.fetching import is_replayed, replayed
    from llmgen.budget.later import is_replayed_later, replayed_later

    if is_replayed_later(work, run):
        return Stage("later layers", replayed_later(work, run) - input_rows(work))
    if is_replayed(work, run):
        return Stage("fetched cache", replayed(work, run) - input_rows(work))
    return None


def _without_attention(work: Work, run: Run) -> Iterator[Stage]:
    """Blocks of layers whose attention is elsewhere: no mask, no cache, none of its inputs."""
    base = 2 * work.stream + work.layer_inputs - input_rows(work)
    if run.output and has_logits(work):
        yield Stage("logits", base + logits(work))
    yield from feed_forward(work, base, run)
    if any(work.model.recurrent[il] for il in run.layers):
        yield from _recurrent(work, run, base)


def _spent_mask(work: Work, run: Run) -> int:
    """The mask, where the only attention is that of the first layer, whose blocks come behind."""
    near = work.flash and work.kv_offload and run.partial and run.layers
    if not near or work.model.rules.state is not State.SHORT_CONV:
        return 0
    first, *others = map(work.model.attends, run.layers)
    # Beside a stream, its norm.
    return max(0, work.mask - work.stream) if first and not any(others) else 0


def _reused(work: Work, what: str, room: int) -> int:
    """How much of a feed-forward block takes the place of a mask."""
    if what != "feed-forward":
        return 0
    width = max(work.model.feed_forward) * work.column
    return min(3, room // width) * width


def _attends_for_host(work: Work, run: Run) -> bool:
    """Whether attention of the host's last layer runs here.

    Short convolutions behind it make it.
    """
    late = run.partial and not run.crossed
    if work.model.rules.state is not State.SHORT_CONV or not late or not run.layers:
        return False
    return work.model.attends(run.layers[0] - 1)


def _attention_of_host(work: Work, run: Run) -> Stage:
    """Copies of K, V and the mask; scores are behind V once more, in the order of its columns."""
    lent = work.mask + fetched_cache(replace(work, kv_offload=False))
    if work.flash:
        return Stage("attention of the host", lent + 2 * work.stream)
    states = padded(F32 * work.counts.slots, 32)  # which state each slot reads
    total = lent + states + _scored(work, run.layers[0] - 1)
    return Stage("scores of the host", total - input_rows(work))


def _scored(work: Work, layer: int) -> int:
    """A layer's query, values in the order of columns, and scores; none without attention."""
    counts, model = work.counts, work.model
    if not model.attends(layer):
        return 0
    values = row_bytes(work.type_v, model.value_width(layer)) * counts.cells * counts.streams
    scores = model.heads[layer] * counts.cells * work.column
    return work.query_width(layer) * work.column + values + scores


def _beside_hosted(work: Work, run: Run, base: int) -> Iterator[Stage]:
    """What is left on a device: two streams beside states, or all of them beside a second mixer."""
    if work.model.name == "falcon-h1":
        yield from feed_forward(work, base, run)
        yield from _recurrent(work, run, base)
        return
    states = F32 * work.model.rows.convolution * work.counts.slots
    yield from feed_forward(work, 2 * work.stream + states, run)


def front(work: Work, run: Run) -> int:
    """Residual streams and their inputs, which stay while a block computes."""
    streams, deep = 4 * work.stream, 16 * work.stream
    if not work.mixed:
        streams, deep = _olderfront(work), 3 * work.stream
    elif work.narrow:
        streams += work.stream
    if Rule.DEEP_ROWS_LEFT in work.model.build:
        deep = 5 * work.stream
    if work.model.name in PARALLEL:
        streams += work.stream
    if work.input_stream == work.stream or run.partial:
        deep = 0  # rows of later layers are read where the first layers run
    if Rule.LAYER_ROWS_FIRST in work.model.build and work.layer_inputs:
        streams += work.layer_inputs + work.stream
    return streams + work.layer_inputs + deep


def _olderfront(work: Work) -> int:
    """Before batches could mix tokens and embeddings, one input less stayed."""
    model = work.model
    if model.mla:
        return 3 * work.stream
    if model.rules.family is Family.RECURRENT:
        return 4 * work.stream
    if model.name in NARROW:
        return 2 * work.stream
    if model.name in GATED_DELTA:
        return 3 * work.stream
    if work.rotated and work.query <= work.stream and _rotates_in_place(work):
        return 2 * work.stream + (2 * work.query if work.narrow else 0)
    return 2 * work.stream + min(work.query, 2 * work.stream)


def _rotates_in_place(work: Work) -> bool:
    """Whether a rotated query finds the place of another input."""
    beside = (*PARALLEL, *OTHER_SIDE)
    deep = work.input_stream > work.stream
    return not (deep or work.layer_inputs or work.model.name in beside or any(work.model.recurrent))


def fetched_cache(work: Work) -> int:
    """K and V of one layer for the whole cache, copied from the host to where attention runs."""
    model, counts = work.model, work.counts
    if work.kv_offload or not model.rules.has_cache:
        return 0
    largest = 0
    for layer in range(model.owners):
        windowed = model.windows.layers[layer]
        cells = (counts.window_cells if windowed else counts.cells) * counts.streams
        row = row_bytes(work.type_k, model.key_width(layer))
        if not model.mla:
            row += row_bytes(work.type_v, model.value_width(layer))
        largest = max(largest, row * cells)
    return largest


def copied_cache(work: Work) -> int:
    """All copies of one layer's cache: latent rows are copied as K, and once more as V."""
    return fetched_cache(work) * (2 if work.model.mla else 1)


def _beside_fetched(work: Work, base: int, fetched: int) -> Stage:
    """Query and result beside one layer's cache; either is the place of a stream if it fits."""
    if work.model.mla:  # K, and its latent part once more as V
        streams = (5 if work.mixed else 3) * work.stream
        return Stage("fetched cache", work.mask + streams + 2 * fetched + 2 * work.query)
    wide = work.query > work.stream
    if not work.mixed:
        base = work.mask + 2 * work.stream
    elif not wide:
        base -= work.stream
    return Stage("fetched cache", base + fetched + work.query * (2 if wide else 1))


def _hole(work: Work, run: Run, what: str, fetched: int) -> int:
    """What the fetched cache leaves behind, unless the gate takes its place.

    With inputs for embeddings, the block's own stream takes a part of it before the gate does.
    """
    gate = max(work.model.feed_forward, default=0) * work.column
    beside = work.stream if work.mixed and not run.partial else 0
    split = work.model.name in FUSED and run.partial  # gate and up are one
    if what == "feed-forward" and gate + beside <= fetched and not split:
        return 0
    return max(0, fetched - work.stream)


def feed_forward(work: Work, base: int, run: Run) -> Iterator[Stage]:
    model, column = work.model, work.column
    used = model.header.most("expert_used_count")
    dense = max(model.feed_forward, default=0)
    if dense and (not used or _has_dense_layers(model)):
        yield Stage("feed-forward", base + 3 * dense * column)
    if used:
        hidden = used * (model.header.most("expert_feed_forward_length") or dense)
        output = used * model.embedding
        if not run.experts:
            yield from hosted_experts(work, base, output)
            return
        if model.name in UNGATED_EXPERTS:
            yield Stage("experts", base + (hidden + output) * column + work.stream)
            return
        # The outputs take the place of the two inputs of the gate where they fit into it.
        gathered = 3 * hidden + (output if output > 2 * hidden else 0)
        shared = work.stream if model.name == "llama4" else 0
        yield Stage("experts", base + gathered * column + shared)


def _has_dense_layers(model: Hyperparameters) -> bool:
    if model.name == "llama4":
        return model.header.count("interleave_moe_layer_step", 1) > 1
    return model.name == "gemma4" or model.header.count("leading_dense_block_count") > 0


def _attention(work: Work, run: Run, base: int) -> Stage:
    model = work.model
    heads = max(model.heads, default=0)
    if not work.flash:
        fetched = 0 if model.mla else fetched_cache(work)
        return Stage("attention scores", base + fetched + _unfused(work, run, heads))
    if not model.mla:
        return Stage("attention", base + max(3 * work.query, _cast_cache(work)))
    # Query, its rotated part, its absorbed part, and both parts joined.
    latent = model.header.count("attention.kv_lora_rank", 512)
    rotated = model.key_length - latent
    width = model.header.count("attention.key_length_mla") + rotated + latent + model.key_length
    behind = _cast_latent(work, heads, latent, (width - model.key_length) * heads * work.column)
    return Stage("latent attention", base + heads * width * work.column + behind)


def _cast_latent(work: Work, heads: int, latent: int, hole: int) -> int:
    """f16 copies of f32 rows, of their latent part, and the result, without what fits a hole."""
    if work.type_k != "f32":
        return 0
    rows, beyond = 2 * work.counts.cells * work.counts.streams, 0
    for size in (work.model.key_length * rows, latent * rows, heads * latent * work.column):
        if size <= hole:
            hole -= size
        else:
            beyond += size
    return beyond


def attended(work: Work) -> int:
    """What attention of the host takes beside its inputs, with the norm and the stream."""
    if work.flash:
        return 2 * work.stream + work.query
    return 2 * work.stream + _unfused(work, Run(), max(work.model.heads, default=0))


def _cast_cache(work: Work) -> int:
    """Flash attention reads f32 rows through an f16 copy of one layer's whole cache."""
    model, cells = work.model, work.counts.cells * work.counts.streams
    rows = 0
    if not model.rules.has_cache:
        return 0
    for cache_type, width in ((work.type_k, model.key_width), (work.type_v, model.value_width)):
        if cache_type == "f32":
            rows += max(map(width, range(model.layers)), default=0)
    return 2 * rows * cells


def _unfused(work: Work, run: Run, heads: int) -> int:
    """Scores of every head for the whole cache, and the rows beside them."""
    model, counts = work.model, work.counts
    cells = counts.ubatch if model.rules.sees_batch else counts.cells
    if run.layers and all(model.windows.layers[il] for il in run.layers):
        cells = min(cells, counts.window_cells)
    scores = cells * heads * work.column if work.mask else 0
    if model.mla:
        latent = model.header.count("attention.kv_lora_rank", 512)
        rows = heads * (model.header.count("attention.key_length_mla") + model.key_length + latent)
        return scores + rows * work.column
    query = work.query
    if query > work.stream:
        query += query * (2 if model.name in GATED_DELTA else 1)
    if model.name in PARALLEL:
        query -= 2 * work.stream
    if work.mixed and work.input_stream > work.stream and len(run.layers) == model.layers:
        query += 2 * work.input_stream  # the input padded to the width of all rows, and its copy
    return scores + query


def _recurrent(work: Work, run: Run, base: int) -> Iterator[Stage]:
    """State before and after, for every slot, beside the projections of one layer."""
    model, slots = work.model, work.counts.slots
    if not any(model.recurrent) or not model.rows.state:
        return
    width = _projected(model)
    if model.name == "falcon-h1" and run.partial and not work.whole(run):
        base = work.stream  # its attention, the only one here, is over
    long = work.counts.ubatch // slots > SHORT_SCAN and len(run.layers) == model.layers
    if model.name == "falcon-h1" and work.mixed and long:
        width += 10 * model.header.count("ssm.inner_size")
    states = 2 * F32 * model.rows.state * slots
    # Linear attention: products of every token with every other one of its slot, then decayed.
    yield Stage("recurrent state", base + states + work.decay + width * work.column)


def _projected(model: Hyperparameters) -> int:
    """Elements for each token that are alive around a state update."""
    inner, groups = model.header.count("ssm.inner_size"), model.header.count("ssm.group_count")
    convolved = inner + 2 * groups * model.header.count("ssm.state_size")
    match model.rules.state:
        case State.SSM_UNGROUPED:
            return 4 * inner
        case State.SSM if model.rules.recurrent is Recurrent.INTERVAL:
            return 3 * inner + convolved
        case State.SSM:
            return (6 if model.name in UNGATED_EXPERTS else 4) * inner + convolved
        case State.KDA:
            heads = max(model.heads)
            return 13 * heads * model.header.count("kda.head_dim") // 2
        case _:
            return 4 * model.embedding


def kept(work: Work) -> int:
    """What stays alive through all stages."""
    if work.decay:
        return work.decay
    if Rule.UNFUSED_INDEXER in work.model.build:
        heads = work.model.header.count("attention.indexer.head_count")
        return (2 * heads * work.counts.cells + _indexer_scores(work)) * work.column
    return _indexer_scores(work) * work.column


def _indexer_scores(work: Work) -> int:
    """Elements for each token that an indexer keeps, settled on fixtures and DeepSeek-V3.2."""
    model, cells = work.model, work.counts.cells
    if not model.indexer_width:
        return 0
    if model.header.count("attention.indexer.kpool"):
        return 6 * cells * min(work.counts.slots, 4)  # pooled keys, slot by slot
    match model.name:
        case "minimax-m3":
            return 4 * cells
        case "deepseek4":
            heads = model.header.count("attention.indexer.head_count")
            return 2 * heads * model.indexer_width + cells * 9 // 8
        case _ if model.mla:
            # The masks of the cells that it picks, and the sum of all heads for every cell.
            picked = min(cells, model.header.count("attention.indexer.top_k"))
            return (max(model.heads) // 2 + 4) * picked + cells * 3 // 2
        case _:
            return 0

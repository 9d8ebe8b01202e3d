"""The compute buffers: the largest set of activations that is alive at once in the worst graph.

``llama_context`` reserves a prompt graph of one micro-batch with a full cache; the buffer is a
maximum over the few stages that can dominate it, not a sum. Each stage below is one such set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from llmgen.budget.architectures import Family, Recurrent, State
from llmgen.budget.builds import Rule
from llmgen.budget.geometry import Geometry
from llmgen.budget.hyperparameters import Hyperparameters
from llmgen.budget.rows import F32, padded, row_bytes

# Feed-forward blocks without a gate, normed at their end.
_UNGATED_ENCODERS: Final = ("bert",)
# Streams more than when everything is offloaded, where it is not one less.
_PARTIAL_EXPERTS: Final = {"qwen3moe": 2, "gpt-oss": 1, "minimax-m2": 9}
_UNGATED_EXPERTS: Final = ("nemotron_h_moe",)
# Attention and feed-forward read the same input, so the output of one waits for the other.
_PARALLEL: Final = ("command-r", "cohere2", "cohere2moe", "falcon", "phi2", "gptj", "plamo")
# Queries of their widest layers end in the place of an input: fused or recurrent.
_NARROW: Final = ("phi3", "qwen35", "lfm2", "lfm2moe", "granitehybrid")
# Encoders with windowed and full layers.
_TWO_MASKS: Final = ("gemma-embedding", "modern-bert")
# Four positions for each token (M-RoPE).
_FOUR_POSITIONS: Final = (
    *("qwen2vl", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen4exp"),
    *("glm4", "paddleocr", "hunyuan_vl", "ernie4_5-moe"),
)
# Residual streams that the copies keep alive, on the first device and on later ones.
_COPIED_STREAMS: Final = {Family.ENCODER: (11, 3), Family.RECURRENT: (21, 24)}
# Beside attention (Falcon-H1), longer micro-batches than this keep more of a scan alive.
_SHORT_SCAN: Final = 512
_DELTA: Final = ("qwen3next", "qwen35", "qwen35moe")


class Stage(NamedTuple):
    """Activations that are alive together, with the bytes that they take."""

    what: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Work:
    """One graph: a model, its counts, and which kernels it uses."""

    model: Hyperparameters
    counts: Geometry
    flash: bool
    # Whether the cache is where the layers are, and the types of its rows.
    kv_offload: bool = True
    type_k: str = "f16"
    type_v: str = "f16"
    # Whether every token is an output, and how a server pools embeddings.
    embeds: bool = False
    pooling: str = ""

    @property
    def mixed(self) -> bool:
        """Whether the graph has inputs for batches of tokens and embeddings."""
        return Rule.MIXED_BATCH in self.model.build

    @property
    def column(self) -> int:
        """Bytes of one f32 element for each token of the micro-batch."""
        return F32 * self.counts.ubatch

    @property
    def stream(self) -> int:
        """The residual stream."""
        return self.model.embedding * self.column

    @property
    def input_stream(self) -> int:
        """The input's rows: some vision models put those of later layers behind them."""
        return self.stream * (1 + self.model.header.count("n_deepstack_layers"))

    @property
    def query(self) -> int:
        """The widest query of any layer."""
        return max(map(self._query_width, range(self.model.layers)), default=0) * self.column

    def _query_width(self, layer: int) -> int:
        model = self.model
        windowed = model.windows.layers[layer]
        return model.heads[layer] * (model.key_length_window if windowed else model.key_length)

    @property
    def mask(self) -> int:
        """The attention masks: one row of cells for each token, full and windowed."""
        counts = self.counts
        if self.model.rules.family is Family.ENCODER:
            masks = 2 if self.model.name in _TWO_MASKS else 1
            return masks * counts.ubatch * counts.ubatch * (2 if self.flash else 4)
        cells = (counts.cells if self._has_full_layer() else 0) + counts.window_cells
        return cells * counts.ubatch * (2 if self.flash else 4)

    def _has_full_layer(self) -> bool:
        model = self.model
        if not model.rules.has_cache:
            return False
        return any(
            heads and not windowed and (not state or model.name == "falcon-h1")
            for heads, windowed, state in zip(
                model.kv_heads, model.windows.layers, model.recurrent, strict=True
            )
        )

    @property
    def layer_inputs(self) -> int:
        """Per-layer embeddings of Gemma 3n and 4, all layers at once."""
        default = 256 if self.model.name == "gemma3n" else 0
        width = self.model.header.count("embedding_length_per_layer_input") or default
        return width * self.model.layers * self.column

    @property
    def indexed(self) -> bool:
        """Whether scores of a lightning indexer are alive."""
        return self.model.mla and bool(self.model.indexer_width)


def summands(work: Work, stage: Stage) -> Iterator[Stage]:
    """A buffer's bytes as a person adds them: masks, inputs, and the elements of each token."""
    mask, inputs = work.mask, _inputs(work)
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


@dataclass(frozen=True, slots=True)
class Run:
    """What a device runs beside attention: the ``output``, and ``experts`` that it holds itself.

    ``partial`` says that the first layers are the host's.
    """

    output: bool = True
    experts: bool = True
    partial: bool = False


def device_compute(work: Work, run: Run | None = None) -> Stage:
    """The buffer of a device that runs layers."""
    run = run or Run()
    largest = max(stages(work, run), key=lambda stage: stage.bytes)
    total = largest.bytes + _kept(work) + _inputs(work)
    if run.partial:
        total += _partial_streams(work, largest) * (work.stream + work.column)
    return Stage(largest.what, total)


def _partial_streams(work: Work, stage: Stage) -> int:
    """Streams of the input stay on the host; rows of attention may need more instead."""
    if work.model.name in _UNGATED_ENCODERS:
        return 0
    match stage.what:
        case "feed-forward":
            return -2
        case "experts":
            return _PARTIAL_EXPERTS.get(work.model.name, -1)
        case "latent attention":
            return -1
        case _:
            return 0


def visited_compute(work: Work, *, layers: bool, experts: bool) -> Stage:
    """The host's buffer when some tensors of the devices' layers are kept on it."""
    largest = Stage("inputs", host_compute(work))
    base = work.mask + 2 * work.stream + _inputs(work) + 2 * work.column
    for stage in _feed_forward(work, base, Run()):
        held = experts if stage.what == "experts" else layers
        if held and stage.bytes > largest.bytes:
            largest = stage
    return largest


def host_only_compute(work: Work) -> Stage:
    """The buffer when nothing is offloaded: the embedding of the input is in it, too."""
    found, beside = device_compute(work), work.stream + 2 * work.column
    if work.input_stream > work.stream:
        beside += (-6 if work.mixed else 2) * work.stream
    if work.model.rules.family is Family.RECURRENT and work.mixed:
        beside += 2 * work.stream
    if work.model.name in _UNGATED_ENCODERS and work.mixed:
        beside += 2 * work.stream + work.column
    return Stage(found.what, found.bytes + beside)


def output_compute(work: Work) -> Stage:
    """The buffer of a device that holds nothing but the output."""
    if work.model.rules.family is Family.ENCODER:
        return Stage("nothing", 0)
    width = work.model.vocabulary + work.model.embedding
    return Stage("logits", F32 * work.counts.outputs * width)


def host_compute(work: Work) -> int:
    """The host's buffer when everything is offloaded: the inputs of the graph."""
    scores = work.mask if work.indexed else 0
    inputs = _inputs(work) + 2 * work.column
    rows = (3 if work.mixed else 1) * work.input_stream + work.stream
    if work.model.name in _UNGATED_ENCODERS or work.layer_inputs:
        rows += work.stream
    if work.layer_inputs:
        inputs += 2 * work.column
    return work.mask + rows + work.layer_inputs + scores + inputs


def stages(work: Work, run: Run) -> Iterator[Stage]:
    """Everything that can be the largest set."""
    base = work.mask + _front(work, run)
    if run.output and work.model.rules.family is not Family.ENCODER and not _is_pooled(work):
        every = Rule.LOGITS_FOR_MICRO_BATCH in work.model.build
        rows = F32 * (work.counts.ubatch if every else work.counts.outputs)
        yield Stage("logits", _beside_logits(work, base) + rows * work.model.vocabulary)
    fetched = 0 if work.kv_offload or not work.model.rules.has_cache else _fetched_cache(work)
    yield from _feed_forward(work, base + max(0, fetched - work.stream), run)
    if fetched:
        queries = work.query * (2 if work.query > work.stream else 1)
        yield Stage("fetched cache", base + fetched + queries)
    yield _attention(work, base)
    yield from _recurrent(work, base)


def _beside_logits(work: Work, base: int) -> int:
    """What is alive beside the logits."""
    if not work.mixed:
        return work.stream
    if work.model.name in _PARALLEL:
        return base - work.stream
    return base + (9 * work.stream if work.input_stream > work.stream else 0)


def _is_pooled(work: Work) -> bool:
    """Some embedding servers have no logits in their graph."""
    if not work.embeds:
        return False
    last = Rule.POOLED_WITHOUT_LOGITS in work.model.build and work.pooling in (
        *("cls", "last", "rank"),
    )
    return last or Rule.EMBEDS_WITHOUT_LOGITS in work.model.build


def _front(work: Work, run: Run) -> int:
    """Residual streams and their inputs, which stay while a block computes."""
    streams, deep = 4 * work.stream, 16 * work.stream
    if not work.mixed:
        streams, deep = _older_front(work), 3 * work.stream
    if work.model.name in _UNGATED_ENCODERS:
        streams = (3 if Rule.ENCODER_STREAM in work.model.build else 2) * work.stream
    elif work.model.name in _PARALLEL:
        streams += work.stream
    if work.input_stream == work.stream or run.partial:
        deep = 0  # rows of later layers are read where the first layers run
    return streams + work.layer_inputs + deep


def _older_front(work: Work) -> int:
    """Before batches could mix tokens and embeddings, one input less stayed."""
    model = work.model
    if model.mla:
        return 3 * work.stream
    if model.rules.family is Family.RECURRENT:
        return 4 * work.stream
    if model.name in _NARROW or model.rules.family is Family.ENCODER:
        return 2 * work.stream
    if model.name in _DELTA:
        return 3 * work.stream
    return 2 * work.stream + min(work.query, 2 * work.stream)


def _inputs(work: Work) -> int:
    """Positions, cache indices and output rows: a few columns of integers."""
    model = work.model
    columns = 6 if model.name in _FOUR_POSITIONS else 3
    columns -= 0 if work.mixed else 3
    if model.rules.has_cache and model.rules.family is not Family.RECURRENT:
        columns += _cache_indices(work) * (2 if model.windows.used else 1)
    elif model.rules.family is Family.ENCODER:
        columns = 2
    return columns * work.column + padded(F32 * work.counts.outputs, 32)


def _cache_indices(work: Work) -> int:
    """Where rows go in the cache, 64 bits each; without flash attention, each element of V."""
    if work.model.mla:
        return 2
    if work.flash:
        return 4
    return 2 + 2 * max(map(work.model.value_width, range(work.model.layers)))


def _fetched_cache(work: Work) -> int:
    """K and V of one layer for the whole cache, copied from the host to where attention runs."""
    model, counts = work.model, work.counts
    largest = 0
    for layer in range(model.owners):
        windowed = model.windows.layers[layer]
        cells = (counts.window_cells if windowed else counts.cells) * counts.streams
        row = row_bytes(work.type_k, model.key_width(layer))
        if not model.mla:
            row += row_bytes(work.type_v, model.value_width(layer))
        largest = max(largest, row * cells)
    return largest


def _feed_forward(work: Work, base: int, run: Run) -> Iterator[Stage]:
    model, column = work.model, work.column
    used = model.header.most("expert_used_count")
    dense = max(model.feed_forward, default=0)
    if dense and (not used or _has_dense_layers(model)):
        copies = 1 if model.name in _UNGATED_ENCODERS else 3
        yield Stage("feed-forward", base + copies * dense * column)
    if used:
        hidden = used * (model.header.most("expert_feed_forward_length") or dense)
        output = used * model.embedding
        if not run.experts:
            yield Stage("experts", base + output * column)
            return
        if model.name in _UNGATED_EXPERTS:
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


def _attention(work: Work, base: int) -> Stage:
    model = work.model
    heads = max(model.heads, default=0)
    if not work.flash:
        return Stage("attention scores", base + _unfused(work, heads))
    if not model.mla:
        return Stage("attention", base + max(3 * work.query, _cast_cache(work)))
    # Query, its rotated part, its absorbed part, and both parts joined.
    latent = model.header.count("attention.kv_lora_rank", 512)
    rotated = model.key_length - latent
    width = model.header.count("attention.key_length_mla") + rotated + latent + model.key_length
    return Stage("latent attention", base + heads * width * work.column)


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


def _unfused(work: Work, heads: int) -> int:
    """Scores of every head for the whole cache, and the rows beside them."""
    model, counts = work.model, work.counts
    cells = counts.ubatch if model.rules.family is Family.ENCODER else counts.cells
    scores = cells * heads * work.column if work.mask else 0
    if model.mla:
        latent = model.header.count("attention.kv_lora_rank", 512)
        rows = heads * (model.header.count("attention.key_length_mla") + model.key_length + latent)
        return scores + rows * work.column
    query = work.query
    if query > work.stream:
        query += query * (2 if model.name in _DELTA else 1)
    if model.name in _PARALLEL:
        query -= 2 * work.stream
    return scores + query


def _recurrent(work: Work, base: int) -> Iterator[Stage]:
    """State before and after, for every slot, beside the projections of one layer."""
    model, slots = work.model, work.counts.slots
    if not any(model.recurrent) or not model.rows.state:
        return
    width = _projected(model)
    if model.name == "falcon-h1" and work.counts.ubatch > _SHORT_SCAN:
        width += 10 * model.header.count("ssm.inner_size")
    states = 2 * F32 * model.rows.state * slots
    yield Stage("recurrent state", base + states + width * work.column)


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
            return (6 if model.name in _UNGATED_EXPERTS else 4) * inner + convolved
        case State.KDA:
            heads = max(model.heads)
            return 13 * heads * model.header.count("kda.head_dim") // 2
        case _:
            return 4 * model.embedding


def _kept(work: Work) -> int:
    """What stays alive through all stages."""
    if work.model.name == "gemma3n":
        return 5 * work.stream  # altup keeps several residual streams
    if Rule.UNFUSED_INDEXER in work.model.build:
        heads = work.model.header.count("attention.indexer.head_count")
        return 2 * heads * work.counts.cells * work.column
    if work.indexed:
        # Scores of every indexer head for the cells it picks, and of the sum for all cells.
        heads = work.model.header.count("attention.indexer.head_count")
        picked = min(work.counts.cells, work.model.header.count("attention.indexer.top_k"))
        return (heads * picked + work.counts.cells * 3 // 2) * work.column
    return 0


def pipeline_copies(work: Work, position: int) -> int:
    """What the copies of the inputs add on the host (-1), the first device (0) or a later one.

    With several devices that share all layers, each input exists four times, so that one
    micro-batch can be read while the next ones are prepared (GGML_SCHED_MAX_COPIES).
    """
    copies = 3 * (work.mask + _inputs(work))
    if position < 0:
        return copies + 6 * (work.input_stream + work.column)
    query = work.query if work.model.rules.family in (Family.PLAIN, Family.INDEXED) else 0
    if work.model.mla:
        query = work.stream
    streams = _COPIED_STREAMS.get(work.model.rules.family, (11, 6))[position > 0]
    if work.model.name in _UNGATED_ENCODERS:
        streams = (9, 4)[position > 0]
    if work.input_stream > work.stream:
        streams += 57 if position == 0 else -16
    if work.model.name == "gemma3n":
        query += 10 * work.layer_inputs
    return copies + streams * work.stream + query

"""One graph to reserve memory for: a model, its counts, and the sizes that it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from llmgen.budget.architectures import Family, State
from llmgen.budget.builds import Rule
from llmgen.budget.geometry import Geometry
from llmgen.budget.graphs import FOUR_POSITIONS, HOSTED_ATTENTION
from llmgen.budget.hyperparameters import Hyperparameters
from llmgen.budget.rows import F32, is_quantized, padded

# Blocks of 64 elements and more that quantized rows are rotated in (llama-kv-cache.cpp).
_ROTATED = 64


class Stage(NamedTuple):
    """Activations that are alive together, with the bytes that they take."""

    what: str
    bytes: int


class Work(Struct, frozen=True):
    """One graph: a model, its counts, and which kernels it uses."""

    model: Hyperparameters
    counts: Geometry
    flash: bool
    # Whether flash attention runs wherever attention does: asked for, or V is quantised.
    sure: bool = False
    # Whether the cache is where the layers are, and the types of its rows.
    kv_offload: bool = True
    type_k: str = "f16"
    type_v: str = "f16"
    # Whether every token is an output, whether the server is one of embeddings, and how it pools.
    embeds: bool = False
    embedding: bool = False
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
        return self.stream * (1 + self.deep)

    @property
    def deep(self) -> int:
        """How many layers read rows of the input that are behind those of the stream."""
        return self.model.header.count("n_deepstack_layers")

    @property
    def deep_rows(self) -> int:
        """From the first row of a stream to the last one, each in an input as wide as all rows."""
        return self.input_stream - self.deep * self.model.embedding * F32

    @property
    def pads_rows(self) -> bool:
        """Whether the device widens rows of tokens, and keeps them for the layers that read them.

        Else the host does, and each of these layers copies its own.
        """
        return self.deep > 0 and (not self.mixed or Rule.DEEP_ROWS_LEFT in self.model.build)

    @property
    def query(self) -> int:
        """The widest query of any layer."""
        return max(map(self.query_width, range(self.model.layers)), default=0) * self.column

    def query_width(self, layer: int) -> int:
        model = self.model
        windowed = model.windows.layers[layer]
        return model.heads[layer] * (model.key_length_window if windowed else model.key_length)

    @property
    def mask(self) -> int:
        """The attention masks: one row of cells for each token, full and windowed."""
        counts = self.counts
        if self.model.rules.sees_batch:
            cells = counts.ubatch * (2 if self.model.windows.used else 1)
            return cells * counts.ubatch * (2 if self.flash else 4)
        cells = (counts.cells if self._has_full_layer() else 0) + counts.window_cells
        return cells * counts.ubatch * (2 if self.flash else 4)

    @property
    def full_mask(self) -> int:
        """The part of the masks that layers without a window read."""
        cells = self.counts.cells if self._has_full_layer() else 0
        return cells * self.counts.ubatch * (2 if self.flash else 4)

    def whole(self, run: Run) -> tuple[int, ...]:
        """Its layers that compute every token; the last one drops all without an output."""
        every = self.embeds or Rule.LAST_LAYER_WHOLE in self.model.build
        last = self.model.trunk - 1
        return tuple(il for il in run.layers if il < last or (every and il == last))

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
    def decay(self) -> int:
        """How each token of linear attention fades for those of its slot (minimax-01.cpp)."""
        if self.model.rules.state is not State.LINEAR:
            return 0
        heads = max(self.model.heads, default=0)
        return heads * (self.counts.ubatch // self.counts.slots) * self.column

    @property
    def layer_inputs(self) -> int:
        """Per-layer embeddings of Gemma 4, all layers at once."""
        width = self.model.header.count("embedding_length_per_layer_input")
        return width * self.model.layers * self.column

    @property
    def hosted_attention(self) -> bool:
        """Whether attention runs on the host, beside the cache, and all else on devices."""
        return not self.kv_offload and self.model.name in HOSTED_ATTENTION

    @property
    def rotated(self) -> bool:
        """Whether queries and keys are rotated, as a quantized cache wants them."""
        heads = self.model.key_length
        return self.model.rules.has_cache and is_quantized(self.type_k) and heads % _ROTATED == 0

    @property
    def narrow(self) -> bool:
        """Whether a rotated query is smaller than the stream whose place it could take."""
        return self.rotated and 0 < self.query < self.stream and not any(self.model.recurrent)

    @property
    def indexed(self) -> bool:
        """Whether scores of a lightning indexer are alive."""
        return self.model.mla and bool(self.model.indexer_width)


class Run(Struct, frozen=True):
    """What a device runs beside attention: the ``output``, and ``experts`` that it holds itself.

    ``partial`` says that the first layers are elsewhere, ``crossed`` that they are on a device,
    ``divided`` that options keep other tensors of the layers on the host, ``layers`` which ones are
    its own, and ``bare`` that options move attention of all of them; the experts of the ``hosted``
    layers are on the host.
    """

    output: bool = True
    experts: bool = True
    partial: bool = False
    crossed: bool = False
    divided: bool = False
    layers: tuple[int, ...] = ()
    bare: bool = False
    hosted: frozenset[int] = frozenset()


def input_rows(work: Work) -> int:
    """Positions, cache indices and output rows: a few columns of integers."""
    model = work.model
    columns = 6 if model.name in FOUR_POSITIONS else 3
    columns -= 0 if work.mixed else 3
    if model.rules.has_cache and model.rules.family is not Family.RECURRENT:
        columns += _cache_indices(work) * (2 if model.windows.used else 1)
    elif model.rules.sees_batch:
        columns = 2
    return columns * work.column + padded(F32 * work.counts.outputs, 32) + _rotations(work)


def _rotations(work: Work) -> int:
    """The matrices that rotate K and V, for each kind of cache."""
    model = work.model
    if not model.rules.has_cache:
        return 0
    caching = [il for il in range(model.owners) if model.kv_heads[il] and not model.recurrent[il]]
    kinds = {model.windows.layers[il] for il in caching}
    return sum(size for kind in kinds for size in rotations(work, windowed=kind))


def rotations(work: Work, *, windowed: bool) -> Iterator[int]:
    """The matrices of one kind of cache, for K and for V."""
    model = work.model
    key, value = model.key_length, model.value_length
    if windowed:
        key, value = model.key_length_window, model.value_length_window
    if work.rotated:
        yield F32 * _block(key) ** 2
    if is_quantized(work.type_v) and not model.mla and value % _ROTATED == 0:
        yield F32 * _ROTATED**2


def _block(head: int) -> int:
    """The largest power of two times 64 that divides a head of K."""
    return head & -head


def _cache_indices(work: Work) -> int:
    """Where rows go in the cache, 64 bits each; without flash attention, each element of V."""
    if work.model.mla:
        return 2
    if work.flash:
        return 4
    return 2 + 2 * max(map(work.model.value_width, range(work.model.layers)))

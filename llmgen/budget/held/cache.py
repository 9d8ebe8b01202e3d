"""The context: what KV cache, indexers and recurrent state take, layer class by layer class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.builds import Rule
from llmgen.budget.remembered import Remembered
from llmgen.budget.server.geometry import Geometry
from llmgen.budget.shape.architectures import Family, Indexer, Recurrent
from llmgen.budget.shape.hyperparameters import Hyperparameters
from llmgen.budget.shape.rows import F32, padded, row_bytes

_CELL_UNIT = 256
# deepseek4 keeps every fourth, and every 128th, key.
_FINE, _COARSE = 4, 128
# How many cells, or rows of state, a context has.
Cells: TypeAlias = Callable[[Geometry], int]


class CacheShare(Struct, frozen=True):
    """The same bytes on each of some layers: ``what`` they hold, and ``sum`` as a person adds it.

    ``checkpointed`` is what a context checkpoint copies to the host.
    """

    what: str
    layers: tuple[int, ...]
    bytes_each: int
    sum: str = ""
    checkpointed: bool = False

    @property
    def bytes_total(self) -> int:
        """Bytes on all of its layers."""
        return self.bytes_each * len(self.layers)


class CacheSettings(Struct, frozen=True):
    """Types of the cache, and what else shapes its rows."""

    type_k: str
    type_v: str
    flash: bool
    # Whether windows are as long as the context, so that nothing in them is ever checkpointed.
    swa_full: bool = False
    # Rows of recurrent state that are kept for each slot beside the newest one.
    rollback: int = 0
    # Whether the nextn layers are the ones that this context runs.
    mtp: bool = False


class Uncounted(Struct, frozen=True):
    """A share before its cells are counted; ``sum`` has ``%d`` where their number is."""

    what: str
    layers: tuple[int, ...]
    row_bytes: int
    sum: str
    cells: Cells
    checkpointed: bool = False

    def counted(self, counts: Geometry) -> CacheShare:
        """The share of a context."""
        cells = self.cells(counts)
        return CacheShare(
            self.what, self.layers, self.row_bytes * cells, self.sum % cells, self.checkpointed
        )


# A planner asks for one model under many contexts.
_UNCOUNTED: Remembered[tuple[Uncounted, ...]] = Remembered(256)


def context_shares(
    model: Hyperparameters, counts: Geometry, cache: CacheSettings
) -> tuple[CacheShare, ...]:
    """Everything that the context of ``model`` allocates, exactly."""
    if not model.rules.has_cache:
        return ()
    found = _UNCOUNTED.get((id(model), cache), model, lambda: tuple(_shares(_Sizes(model, cache))))
    shares = (item.counted(counts) for item in found if item.layers)
    return tuple(share for share in shares if share.bytes_each)


def _shares(sizes: _Sizes) -> Iterator[Uncounted]:
    model, mtp = sizes.model, sizes.cache.mtp
    owners = range(model.owners)
    cached = model.layers if Rule.NEXTN_CACHED in model.build else model.trunk
    trunk = [il for il in owners if il < cached]
    tail = [il for il in owners if il >= model.trunk]
    match model.rules.family:
        case Family.INDEXED:
            yield from _indexed(sizes, owners, trunk, tail)
        case Family.COMPRESSED:
            yield from sizes.attention(tail) if mtp else _compressed(sizes)
        case Family.RECURRENT:
            yield from sizes.states(trunk)
        case Family.HYBRID:
            yield from _hybrid(sizes, owners, trunk, tail)
        case _ if Rule.NEXTN_CACHED in model.build:
            yield from sizes.attention(owners)
        case _ if model.nextn and model.trunk and not model.rules.router:
            yield from sizes.attention(tail if mtp else trunk)
        case _:
            yield from sizes.attention(owners)


def _hybrid(
    sizes: _Sizes, owners: Iterable[int], trunk: list[int], tail: list[int]
) -> Iterator[Uncounted]:
    model, rules = sizes.model, sizes.model.rules
    if sizes.cache.mtp and rules.mtp:
        yield from sizes.attention(tail)
        if rules.indexer is not Indexer.NONE:
            yield from sizes.indexer(tail)
        return
    attention = _attention_layers(model, owners, trunk)
    yield from sizes.attention(attention)
    match rules.indexer:
        case Indexer.ATTENTION:
            yield from sizes.indexer(attention)
        case Indexer.FULL_ATTENTION:
            yield from sizes.indexer([il for il in attention if model.indexed[il]])
        case _:
            pass
    yield from sizes.states([il for il in trunk if model.recurrent[il]])


def _attention_layers(
    model: Hyperparameters, owners: Iterable[int], trunk: list[int]
) -> Iterable[int]:
    """The attention layers of a hybrid; where its filter is the default one, nextn included."""
    match model.rules.recurrent:
        case Recurrent.ALL:
            return owners
        case Recurrent.NO_KV_NO_FF:
            return [il for il in owners if not model.recurrent[il] and not model.feed_forward[il]]
        case Recurrent.NO_KV_HEADS if model.rules.indexer is Indexer.NONE:
            return [il for il in owners if not model.recurrent[il]]
        case _:
            return [il for il in trunk if not model.recurrent[il]]


def _indexed(
    sizes: _Sizes, owners: Iterable[int], trunk: list[int], tail: list[int]
) -> Iterator[Uncounted]:
    model = sizes.model
    match model.rules.indexer:
        case Indexer.AFTER_DENSE:
            yield from sizes.attention(owners)
            first = model.header.count("leading_dense_block_count")
            layers = [il for il in owners if il >= first]
            yield from sizes.indexer(layers, values=model.value_length)
        case Indexer.FULL_WITH_TOP_K:
            yield from sizes.attention(owners)
            if model.header.count("attention.indexer.top_k"):
                yield from sizes.indexer([il for il in owners if model.indexed[il]])
        case _ if sizes.cache.mtp and model.nextn:
            yield from sizes.rows("K and V of nextn layers", tail, _full)
        case _:
            yield from sizes.attention(trunk if model.nextn else owners)
            every = model.rules.indexer is Indexer.TRUNK
            layers = [il for il in trunk if every or model.indexed[il]]
            yield from sizes.indexer(layers, values=0 if model.mla else model.value_length)


def _compressed(sizes: _Sizes) -> Iterator[Uncounted]:
    """deepseek4: raw windowed keys, compressed keys at two rates, and f32 planes for both."""
    model, cache = sizes.model, sizes.cache
    layers = range(model.layers)
    yield from sizes.rows("raw K", layers, _raw, latent=True)
    ratios = model.header.layered("attention.compress_ratios", model.layers)
    fine = [il for il in layers if ratios[il] == _FINE]
    coarse = [il for il in layers if ratios[il] == _COARSE]
    index = model.indexer_width
    for rate, some, width in ((_FINE, fine, index), (_COARSE, coarse, 0)):
        cells = partial(_compressed_cells, rate)
        yield from sizes.keys(f"K compressed {rate}:1", some, model.key_width, cells)
        yield from sizes.keys(f"indexer K {rate}:1", some, partial(_always, width), cells)
    planes, key = partial(_planes, 1 + cache.rollback), model.key_length_window
    for what, some, elements in (
        ("state of fine compression", fine, 2 * key * 8 + 2 * index * 8),
        ("state of coarse compression", coarse, key * _COARSE),
    ):
        run = tuple(il for il in some if il < model.trunk)
        text = f"2 x 4 B x %d planes x {elements}"
        yield Uncounted(what, run, 2 * F32 * elements, text, planes)


class _Sizes(Struct, frozen=True):
    """Sizes rows of one model, whatever their number."""

    model: Hyperparameters
    cache: CacheSettings

    def attention(self, layers: Iterable[int]) -> Iterator[Uncounted]:
        """K and V of full and of windowed layers."""
        layers, marks = tuple(layers), self.model.windows.layers
        full = [il for il in layers if not marks[il]]
        windowed = [il for il in layers if marks[il]]
        yield from self.rows("full attention", full, _full)
        for share in self.rows("sliding window", windowed, _windowed):
            yield replace(share, checkpointed=not self.cache.swa_full)

    def rows(
        self, what: str, layers: Iterable[int], cells: Cells, *, latent: bool = False
    ) -> Iterator[Uncounted]:
        """K rows, and V rows unless the rows are ``latent``."""
        layers = tuple(layers)
        latent = latent or self.model.mla
        yield from self.keys(f"K, {what}", layers, self.model.key_width, cells)
        if latent:
            return
        widths = self.model.value_width
        if not self.cache.flash:
            # V is stored transposed, all layers as wide as the widest.
            widest = max(map(widths, range(self.model.layers)), default=0)
            yield from self.values(f"V, {what}", layers, lambda _: widest, cells)
        else:
            yield from self.values(f"V, {what}", layers, widths, cells)

    def keys(
        self, what: str, layers: Iterable[int], width: Callable[[int], int], cells: Cells
    ) -> Iterator[Uncounted]:
        """Rows in the type of K."""
        yield from _by_width(what, self.cache.type_k, layers, width, cells)

    def values(
        self, what: str, layers: Iterable[int], width: Callable[[int], int], cells: Cells
    ) -> Iterator[Uncounted]:
        """Rows in the type of V."""
        yield from _by_width(what, self.cache.type_v, layers, width, cells)

    def indexer(self, layers: Iterable[int], values: int = 0) -> Iterator[Uncounted]:
        """Indexer keys, and for some architectures values."""
        layers, sizes = tuple(layers), self
        if Rule.PLAIN_INDEXER in self.model.build:
            sizes = replace(self, cache=replace(self.cache, type_k="f16", type_v="f16"))
        yield from sizes.keys("indexer K", layers, self.model.indexer_row, _full)
        yield from sizes.values("indexer V", layers, lambda _: values, _full)

    def states(self, layers: Iterable[int]) -> Iterator[Uncounted]:
        """Recurrent rows of each slot; always f32."""
        kept = self.cache.rollback if self.model.rules.rollback else 0
        rows = partial(_state_rows, 1 + kept)
        for width, some in _grouped(layers, self.model.rows.of):
            text = f"4 B x {width} elements x %d rows"
            yield Uncounted("recurrent state", some, F32 * width, text, rows, checkpointed=True)


def _full(counts: Geometry) -> int:
    return counts.cells * counts.streams


def _windowed(counts: Geometry) -> int:
    return counts.window_cells * counts.streams


def _raw(counts: Geometry) -> int:
    return counts.window_cells * counts.slots


def _compressed_cells(rate: int, counts: Geometry) -> int:
    return padded(max(1, -(-counts.cells // rate)), _CELL_UNIT) * counts.slots


def _planes(rows: int, counts: Geometry) -> int:
    return counts.slots * rows


def _state_rows(rows: int, counts: Geometry) -> int:
    return max(1, counts.slots) * rows


def _always(width: int, _layer: int) -> int:
    return width


def _by_width(
    what: str, cache_type: str, layers: Iterable[int], width: Callable[[int], int], cells: Cells
) -> Iterator[Uncounted]:
    for elements, some in _grouped(layers, width):
        row = row_bytes(cache_type, elements)
        text = f"{elements} elements in {cache_type} = {row} B x %d cells"
        yield Uncounted(what, some, row, text, cells)


def _grouped(
    layers: Iterable[int], width: Callable[[int], int]
) -> Iterator[tuple[int, tuple[int, ...]]]:
    classes: dict[int, list[int]] = {}
    for layer in layers:
        classes.setdefault(width(layer), []).append(layer)
    return ((elements, tuple(some)) for elements, some in classes.items())

"""Attention over a cache or over the micro-batch alone (``build_attn*`` in llama-graph.cpp)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.builds import Rule
from llmgen.budget.graph.cache import Cache
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor, is_contiguous
from llmgen.budget.shape.rows import padded


class Extras(Struct, frozen=True):
    """What only some attention has.

    ``sinks`` and a ``bias`` of the scores, a matrix that makes values of latent ones, how often
    scores are capped, and a ``mask`` in the place of the cache's.
    """

    sinks: Tensor | None = None
    bias: Tensor | None = None
    decompress: Tensor | None = None
    caps: int = 0
    mask: Tensor | None = None


_PLAIN = Extras()
# Tokens of a micro-batch are padded to so many, as cells of a cache are.
_CELLS = 256


def cached_attention(  # noqa: PLR0917 - as build_attn_mha
    scene: Scene,
    cache: Cache,
    query: Tensor,
    keys: Tensor | None,
    values: Tensor | None,
    layer: int,
    *,
    owner: int | None = None,
    extras: Extras = _PLAIN,
) -> Tensor:
    """Store K and V, if there are any, and attend; one without its own reads the ``owner``'s."""
    b = scene.b
    if cache.k_rotation:
        query = rotated(scene, query, cache.k_rotation)
        keys = keys and rotated(scene, keys, cache.k_rotation)
    if cache.v_rotation:
        values = values and rotated(scene, values, cache.v_rotation)
    # Caches with windows are written K first (build_attn of each).
    first, second = (keys, values) if scene.model.windows.used else (values, keys)
    for tensor in (query, first, second):
        if tensor is not None:
            b.expand(tensor)
    if keys is not None:
        cache.store_keys(keys, layer)
    if values is not None and not cache.latent:
        cache.store_values(values, layer)
    at = layer if owner is None else owner
    stored = cache.keys(at)
    if cache.latent and values is not None:  # V is the first part of K
        read = b.view(stored, (values.ne[0], *stored.ne[1:]), stored.nb[1:])
    else:
        read = cache.values(at)
    result = attended(scene, query, stored, read, extras.mask or cache.mask, layer, extras)
    scene.call(result, "kqv_out", layer)
    return rotated(scene, result, cache.v_rotation) if cache.v_rotation else result


def rotated(scene: Scene, of: Tensor, by: Tensor) -> Tensor:
    """Rows in blocks times a matrix (``llama_mul_mat_hadamard``)."""
    b, block = scene.b, by.ne[0]
    count = of.ne[0] * of.ne[1] * of.ne[2] * of.ne[3] // block
    rows = b.reshape(of, block, count) if is_contiguous(of) else b.cont(of, block, count)
    return b.reshape(b.mul_mat(by, rows), *of.ne)


def attended(  # noqa: PLR0917 - as build_attn_mha
    scene: Scene,
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
    layer: int,
    extras: Extras = _PLAIN,
) -> Tensor:
    """All heads at once: one operation, or scores, their probabilities and a product."""
    b = scene.b
    in_columns = values.nb[1] > values.nb[2]
    streams = keys.ne[3]
    each = query.ne[2] // streams
    ne = (query.ne[0], query.ne[1], each, streams)
    query = b.view(query, ne, (query.nb[1], query.nb[2], query.nb[2] * each))
    query, keys, values = (b.permute(part, 0, 2, 1, 3) for part in (query, keys, values))
    if scene.setting.flash and extras.bias is None:
        return b.expand(_fused(scene, (query, keys, values), mask, layer, extras, in_columns))
    return b.expand(_scored(scene, (query, keys, values), mask, layer, extras, in_columns))


def _fused(  # noqa: PLR0917 - as build_attn_mha
    scene: Scene,
    parts: Sequence[Tensor],
    mask: Tensor,
    layer: int,
    extras: Extras,
    in_columns: bool,
) -> Tensor:
    b, (query, keys, values) = scene.b, parts
    if in_columns:
        values = b.transpose(values)
    keys = b.cast(keys, "f16") if keys.kind == "f32" else keys
    values = b.cast(values, "f16") if values.kind == "f32" else values
    result = b.flash_attention(query, keys, values, mask, extras.sinks)
    if extras.sinks and scene.follows(Rule.SINKS_ATTRACT):
        result.backend = extras.sinks.home
    scene.call(result, "__fattn__", layer)
    if extras.decompress is not None:
        result = b.mul_mat(extras.decompress, b.permute(result, 0, 2, 1, 3))
        scene.call(result, "fattn_mla", layer)
        result = b.cont(b.permute(result, 0, 2, 1, 3))
    return b.reshape(result, result.ne[0] * result.ne[1], result.ne[2] * result.ne[3])


def _scored(  # noqa: PLR0917 - as build_attn_mha
    scene: Scene,
    parts: Sequence[Tensor],
    mask: Tensor,
    layer: int,
    extras: Extras,
    in_columns: bool,
) -> Tensor:
    b, (query, keys, values) = scene.b, parts
    scores = scene.call(b.mul_mat(keys, query), "kq", layer)
    for _ in range(extras.caps):  # scaled, bent, scaled back
        scores = b.scale(b.unary(b.scale(scores)))
    if extras.bias is not None:
        scores = scene.call(b.add(scores, extras.bias), "kq_plus_kq_b", layer)
    scores = scene.call(b.softmax(scores, mask, extras.sinks), "kq_soft_max", layer)
    if not in_columns:
        values = scene.call(b.cont(b.transpose(values)), "v_cont", layer)
    result = scene.call(b.mul_mat(values, scores), "kqv", layer)
    if extras.decompress is not None:
        result = scene.call(b.mul_mat(extras.decompress, result), "kqv_mla", layer)
    result = b.permute(result, 0, 2, 1, 3)
    result = b.cont(result, result.ne[0] * result.ne[1], result.ne[2] * result.ne[3])
    if scene.setting.pinned:
        result.backend = scene.host
    return result


class Window(Struct):
    """The caches of a model by kind: those of full layers, and those with a window."""

    full: Cache
    windowed: Cache | None = None

    def of(self, layer: int) -> Cache:
        """The cache of a layer."""
        marks = self.full.scene.model.windows.layers
        return self.windowed if self.windowed is not None and marks[layer] else self.full


def caches(scene: Scene) -> Window:
    """Every kind of cache that the model has."""
    windowed = Cache(scene, windowed=True) if scene.model.windows.used else None
    return Window(Cache(scene), windowed)


class Batch:
    """Attention without a cache: over the tokens of the micro-batch."""

    def __init__(self, scene: Scene) -> None:
        """Masks for layers with and without a window (``build_attn_inp_no_cache``)."""
        kind = "f16" if scene.setting.flash else "f32"
        self.padded = scene.follows(Rule.ENCODER_MASK_PADDED)
        cells = padded(scene.tokens, _CELLS) if self.padded else scene.tokens
        ne = (cells, scene.tokens)
        self.scene = scene
        self.mask = scene.b.input("self_kq_mask", kind, *ne)
        self.windowed = scene.b.input("", kind, *ne) if scene.model.windows.used else None

    def attend(
        self, query: Tensor, keys: Tensor, values: Tensor, layer: int, extras: Extras = _PLAIN
    ) -> Tensor:
        """Expand Q, K and V, and attend."""
        for tensor in (query, keys, values):
            self.scene.b.expand(tensor)
        if self.padded:
            more = self.mask.ne[0] - self.scene.tokens
            keys, values = (self.scene.b.pad(rows, 0, 0, more) for rows in (keys, values))
            if extras.bias is not None:
                extras = replace(extras, bias=self.scene.b.pad(extras.bias, more))
        near = self.windowed is not None and self.scene.model.windows.layers[layer]
        mask = self.windowed if near and self.windowed else self.mask
        result = attended(self.scene, query, keys, values, mask, layer, extras)
        return self.scene.call(result, "kqv_out", layer)

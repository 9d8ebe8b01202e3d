"""Multi-head latent attention: one compressed row for all heads (``src/models/deepseek2.cpp``)."""

from __future__ import annotations

from llmgen.budget.graph.attention import Extras, cached_attention
from llmgen.budget.graph.cache import Cache
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.positions import turned_part
from llmgen.budget.graph.recipe import Recipe, Rope
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor

_TEMPERATURE = "attention.temperature_scale"


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder with latent attention in its layers."""
    Latent(scene, recipe).run()


class Latent(Decoder):
    """Queries are multiplied into the space of the latent rows, values out of it."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """One cache of latent rows, or a plain one where the file has no sizes for them."""
        super().__init__(scene, recipe)
        self.cache = Cache(scene, latent=True) if scene.model.mla else self.caches.full
        header = scene.model.header
        self.rank = header.count("attention.kv_lora_rank")
        self.rotated = header.count("rope.dimension_count")

    def _attention(self, normed: Tensor, layer: int) -> Tensor:
        scene, b, model = self.scene, self.scene.b, self.scene.model
        header, heads, rotated = model.header, model.heads[layer], self.rotated
        cache, rank, length = self._rows(layer)
        plain = length - rotated
        query = b.reshape(self._query(normed, layer), length, heads, scene.tokens)
        both = linear(scene, "attn_kv_a_mqa", normed, layer)
        row = both.nb[1]
        latent = b.view(both, (rank, scene.tokens), (row,))
        placed = b.view(both, (rotated, 1, scene.tokens), (row, row))
        placed = self._turned(self._placed(placed, layer))
        latent = norm(scene, "RMS_NORM", "attn_kv_a_norm", latent, layer)
        if not model.mla:
            return self._expanded(query, latent, placed, layer)
        near = (heads, scene.tokens)
        query_plain = b.view(query, (plain, *near), query.nb[1:3])
        query_placed = b.view(query, (rotated, *near), query.nb[1:3])
        query_placed = self._turned(query_placed)
        query_plain = b.permute(query_plain, 0, 2, 1, 3)
        inner = b.mul_mat(scene.needed("attn_k_b.weight", layer), query_plain)
        scene.call(inner, "q_nope_absorbed", layer)
        inner = b.permute(inner, 0, 2, 1, 3)
        query, latent, keys = self._joined(inner, query_placed, latent, placed)
        scene.call(query, "Qcur", layer)
        scene.call(keys, "Kcur", layer)
        if header.values.get(_TEMPERATURE):
            query = b.mul(query, self.warmth)
        decompress = scene.needed("attn_v_b.weight", layer)
        sinks = scene.weight("attn_sinks.weight", layer) if self.recipe.sinks else None
        extras = Extras(sinks=sinks, decompress=decompress, mask=self._mask())
        result = cached_attention(scene, cache, query, keys, latent, layer, extras=extras)
        return self._latent_out(result, normed, layer)

    def _latent_out(self, result: Tensor, normed: Tensor, layer: int) -> Tensor:
        """What attention adds to the stream."""
        del normed
        return linear(self.scene, "attn_output", result, layer)

    def _joined(
        self, inner: Tensor, query_placed: Tensor, latent: Tensor, placed: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        b = self.scene.b
        query = b.concat(inner, query_placed, 0)
        latent = b.reshape(latent, latent.ne[0], 1, self.scene.tokens)
        return query, latent, b.concat(latent, placed, 0)

    def _rows(self, layer: int) -> tuple[Cache, int, int]:
        """Where latent rows of a layer are kept, their length, and that of its queries."""
        del layer
        model = self.scene.model
        length = model.header.count("attention.key_length_mla") or model.key_length
        return self.cache, self.rank, length

    def _placed(self, of: Tensor, layer: int) -> Tensor:
        """The part of a row that is rotated, in front of that."""
        del layer
        return of

    def _turned(self, of: Tensor) -> Tensor:
        """Rotated by position, if the recipe rotates."""
        return of if self.recipe.rope is Rope.NONE else self.scene.b.rope(of, self.positions)

    def _mask(self) -> Tensor | None:
        """A mask in the place of the cache's own."""
        return None

    def _query(self, normed: Tensor, layer: int) -> Tensor:
        scene = self.scene
        if not scene.weight("attn_q_a.weight", layer):
            return linear(scene, "attn_q", normed, layer)
        query = linear(scene, "attn_q_a", normed, layer)
        query = norm(scene, "RMS_NORM", "attn_q_a_norm", query, layer)
        return linear(scene, "attn_q_b", query, layer)

    def _expanded(self, query: Tensor, latent: Tensor, placed: Tensor, layer: int) -> Tensor:
        """Keys and values of every head: files without the sizes of latent rows."""
        scene, b, model = self.scene, self.scene.b, self.scene.model
        heads, tokens = model.heads[layer], scene.tokens
        plain = query.ne[0] - self.rotated
        both = b.mul_mat(scene.needed("attn_kv_b.weight", layer), latent)
        head = both.nb[1] // heads
        keys = b.view(both, (plain, heads, tokens), (head, both.nb[1]))
        values = b.cont(b.view(both, (model.value_length, heads, tokens), (head, both.nb[1])))
        if self.recipe.rope is not Rope.NONE:
            query = turned_part(scene, query, self.positions, last=True)
        keys = b.concat(keys, b.repeat(placed, self.rotated, heads, tokens), 0)
        if model.header.values.get(_TEMPERATURE):
            query = b.mul(query, self.warmth)
        result = cached_attention(scene, self.cache, query, keys, values, layer)
        return linear(scene, "attn_output", result, layer)

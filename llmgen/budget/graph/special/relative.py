"""Attention with a bias for how far tokens are apart, and attention to an encoder (``t5.cpp``)."""

from __future__ import annotations

from llmgen.budget.graph.attention import Extras, attended, cached_attention
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.graph.weights import Undescribed


def describe(scene: Scene, recipe: Recipe) -> None:
    """The decoder where a context has a cache, else the encoder: the other one is not reserved."""
    scene.matrices.stack = "dec." if recipe.cached else "enc."
    (Relative if recipe.cached else RelativeBias)(scene, recipe).run()


class RelativeBias(Decoder):
    """Layers whose scores get a bias that the distance of two tokens chooses."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Distances of all tokens to all cells, or to one another."""
        super().__init__(scene, recipe)
        if scene.model.header.count("decoder_block_count", scene.model.trunk) != scene.model.trunk:
            raise Undescribed("as many layers of the decoder as of the encoder")
        cells = self.caches.full.cells if recipe.cached else scene.tokens
        self.distances = scene.b.input("pos_bucket", "i32", cells, scene.tokens)

    def _attention(self, normed: Tensor, layer: int) -> Tensor:
        scene = self.scene
        query, keys, values = self._heads(normed, layer)
        extras = Extras(bias=self._bias(layer))
        if self.recipe.cached:
            cache = self.caches.full
            result = cached_attention(scene, cache, query, keys, values, layer, extras=extras)
        else:
            result = self.batch.attend(query, keys, values, layer, extras)
        return scene.call(linear(scene, "attn_o", result, layer), "kqv_out", layer)

    def _bias(self, layer: int) -> Tensor:
        """A row of heads for each distance; the first layer's are those of all without own ones."""
        scene, b, distances = self.scene, self.scene.b, self.distances
        table = scene.weight("attn_rel_b.weight", layer) or scene.needed("attn_rel_b.weight", 0)
        far, near = distances.ne[:2]
        rows = b.get_rows(table, b.reshape(distances, far * near))
        rows = b.permute(b.reshape(rows, rows.ne[0], far, near), 2, 0, 1, 3)
        return scene.call(b.cont(rows), "pos_bias")


class Relative(RelativeBias):
    """A decoder whose layers attend to their own tokens, then to those of an encoder."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """A context reserves as many tokens of an encoder as it was trained with."""
        super().__init__(scene, recipe)
        b, trained = scene.b, scene.model.header.needed("context_length")
        self.encoded = b.input("cross_embd", "f32", scene.embedding, trained)
        kind = "f16" if scene.setting.flash else "f32"
        self.mask = b.input("", kind, trained, scene.tokens)

    def _layer(self, layer: int) -> Tensor:
        scene, b, recipe = self.scene, self.scene.b, self.recipe
        normed = norm(scene, recipe.norm, "attn_norm", self.stream, layer)
        added = self._attention(scene.call(normed, "attn_norm", layer), layer)
        stream = scene.call(b.add(added, self.stream), "cross_inp", layer)
        normed = norm(scene, recipe.norm, "cross_attn_norm", stream, layer)
        added = self._across(scene.call(normed, "attn_norm_cross", layer), layer)
        if layer == scene.last:
            added, stream = b.get_rows(added, self.rows), b.get_rows(stream, self.rows)
        return scene.call(self._behind(stream, normed, added, layer), "l_out", layer)

    def _across(self, normed: Tensor, layer: int) -> Tensor:
        """Queries of the tokens, keys and values of what was encoded."""
        scene, b, model = self.scene, self.scene.b, self.scene.model
        query = b.mul_mat(scene.needed("cross_attn_q.weight", layer), normed)
        keys, values = (
            b.mul_mat(scene.needed(f"cross_attn_{part}.weight", layer), self.encoded)
            for part in ("k", "v")
        )
        kv, count = model.kv_heads[layer], self.encoded.ne[1]
        query = b.reshape(query, model.key_length, model.heads[layer], scene.tokens)
        keys = b.reshape(keys, model.key_length, kv, count)
        values = b.reshape(values, model.value_length, kv, count)
        for tensor in (query, keys, values):
            b.expand(tensor)
        result = attended(scene, query, keys, values, self.mask, layer)
        scene.call(result, "kqv_out", layer)
        return linear(scene, "cross_attn_o", result, layer)

"""Delta attention, and latent attention to pools of tokens; several streams (glm5-next.cpp)."""

from __future__ import annotations

from llmgen.budget.graph.attention import Extras, attended
from llmgen.budget.graph.gated_pools import GatedPools
from llmgen.budget.graph.head import conclude
from llmgen.budget.graph.hyper import mean, narrowed, rows_of, spread, widened
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.special.bounded import Bounded
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """A hybrid whose latent layers have an indexer, or read what the last one chose."""
    Pooled(scene, recipe).run()


class Pooled(Bounded):
    """Each half of a layer reads one stream that is made of several."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """GatedPools are inputs in front of the streams."""
        super().__init__(scene, recipe)
        self.pools = GatedPools(scene)
        self.chosen: Tensor | None = None
        self.stream = widened(scene, self.stream)

    def run(self) -> None:
        """All layers; rows of outputs are taken of all streams."""
        scene, recipe = self.scene, self.recipe
        for layer in scene.layers:
            self.stream = scene.end(layer, self._layer(layer))
        result = mean(scene, rows_of(scene, self.stream, self.rows))
        result = norm(scene, recipe.norm, recipe.output_norm, result)
        scene.give("h_nextn", result)
        conclude(scene, recipe, result)

    def _layer(self, layer: int) -> Tensor:
        scene, recipe, b = self.scene, self.recipe, self.scene.b
        one = narrowed(scene, self.stream, "hc_attn", layer)
        scene.call(one.stream, "hc_attn_pre", layer)
        normed = norm(scene, recipe.norm, "attn_norm", one.stream, layer)
        added = self._mixed(b.expand(scene.call(normed, "attn_norm", layer)), layer)
        wide = spread(scene, added, self.stream, one)
        scene.call(wide, "hc_attn_post", layer)
        one = narrowed(scene, wide, "hc_ffn", layer)
        scene.call(one.stream, "hc_ffn_pre", layer)
        result = self._feed(self._fed(one.stream, layer), layer)
        return scene.call(spread(scene, result, wide, one), "l_out", layer)

    def _attention(self, normed: Tensor, layer: int) -> Tensor:
        scene, b, model = self.scene, self.scene.b, self.scene.model
        query = self._product("attn_q_a", normed, layer)
        short = norm(scene, "RMS_NORM", "attn_q_a_norm", query, layer)
        scene.call(short, "q_resid", layer)
        query, heads = self._product("attn_q_b", short, layer), model.heads[layer]
        query = b.reshape(query, query.ne[0] // heads, heads, scene.tokens)
        latent = self._product("attn_kv_a_mqa", normed, layer)
        latent = norm(scene, "RMS_NORM", "attn_kv_a_norm", latent, layer)
        latent = b.reshape(latent, self.rank, 1, scene.tokens)
        scene.call(latent, "kv_cmpr", layer)
        query = self._product("attn_k_b", b.permute(query, 0, 2, 1, 3), layer)
        query = b.permute(query, 0, 2, 1, 3)
        if self.chosen is None or model.indexed[layer]:
            self.chosen = self.pools.choose(short, normed, self.cache.mask, layer)
        b.expand(query)
        b.expand(latent)
        self.cache.store_keys(latent, layer)
        read = self._gathered if self.pools.gathers else self._masked
        result = scene.call(read(query, self.chosen, layer), "kqv_out", layer)
        return scene.call(self._product("attn_output", result, layer), "attn_out", layer)

    def _masked(self, query: Tensor, chosen: Tensor, layer: int) -> Tensor:
        """Attention to the whole cache, most of it hidden."""
        scene, b, cache = self.scene, self.scene.b, self.cache
        keys = cache.keys(layer)
        values = b.view(keys, (self.rank, *keys.ne[1:]), keys.nb[1:])
        extras = Extras(decompress=scene.needed("attn_v_b.weight", layer))
        if self.pools.reshapes:
            chosen = b.reshape(chosen, *cache.mask.ne)
        return attended(scene, query, keys, values, chosen, layer, extras)

    def _gathered(self, query: Tensor, chosen: Tensor, layer: int) -> Tensor:
        """Attention to copies of the chosen rows, each token by itself."""
        scene, b, cache = self.scene, self.scene.b, self.cache
        count, tokens = chosen.ne[:2]
        b.expand(cache.mask)
        keys = cache.keys(layer)
        rows = b.view(keys, (self.rank, keys.ne[2] * keys.ne[3]), (keys.nb[2],))
        keys = b.get_rows(rows, b.reshape(chosen, count * tokens))
        keys = b.reshape(keys, self.rank, count, 1, tokens)
        scene.call(keys, "kv_gathered", layer)
        scores = b.mul_mat(keys, b.permute(query, 0, 2, 3, 1))
        scores = b.softmax(scores, self.pools.alive)
        scene.call(scores, "kq_soft_max_gathered", layer)
        result = b.mul_mat(b.cont(b.transpose(keys)), scores)
        result = self._product("attn_v_b", result, layer)
        scene.call(result, "kqv_gathered", layer)
        heads = query.ne[1]
        rows = b.cont(b.permute(result, 0, 2, 1, 3))
        return b.reshape(rows, result.ne[0] * heads, tokens)

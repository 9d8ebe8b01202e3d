"""Pools of tokens whose keys are weighed by gates; a query reads the best (``build_kpool_select``).

``llama_memory_hybrid_idx`` keeps a key, a gate and a pooled key of every token (glm5-next.cpp).
"""

from __future__ import annotations

from typing import Final

from llmgen.budget.builds import Rule
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.shape.rows import padded

# Pools are padded to so many, and the last one is never used (kpool_pad).
_POOLS: Final = 64
# Micro-batches of up to so many tokens gather what they read.
_GATHERED: Final = 16


class GatedPools:
    """The inputs of all indexers, and their cache."""

    def __init__(self, scene: Scene) -> None:
        """As many pools as a full cache of every slot has."""
        b, header, counts, tokens = scene.b, scene.model.header, scene.setting.counts, scene.tokens
        self.scene, self.cells = scene, counts.cells
        self.width = header.count("attention.indexer.key_length")
        self.each = max(1, header.count("attention.indexer.kpool"))
        self.tail = bool(header.values.get("attention.indexer.kpool_select_tail"))
        full = counts.cells // self.each * scene.slots
        self.count, self.new = padded(full + 1, _POOLS), max(1, full)
        top = header.count("attention.indexer.top_k")
        self.best = min(self.count, top // self.each)
        self.chosen = self.each * self.best + (self.each - 1 if self.tail else 0)
        few = counts.tokens <= _GATHERED and counts.context > top + self.each - 1
        self.reshapes = scene.follows(Rule.POOLS_RESHAPED)
        self.gathers = few and scene.follows(Rule.POOLS_GATHERED)
        self.places = b.input("attn_inp_k_idxs", "i64", tokens)
        self.keys_of = b.expand(b.input("", "i32", self.count))
        self.cells_of = b.expand(b.input("", "i32", self.each, self.count))
        self.mask = b.expand(b.input("", "f16", self.count, tokens))
        self.tails = b.expand(b.input("", "i32", self.each - 1, tokens))
        self.alive = b.expand(b.input("", "f32", self.chosen, 1, 1, tokens))
        self.new_cells = b.input("", "i32", self.each * self.new)
        self.new_keys = b.input("", "i64", self.new)

    def choose(self, query: Tensor, of: Tensor, mask: Tensor, layer: int) -> Tensor:
        """The cells that every token reads, or a mask that hides all others."""
        scene, b, tokens = self.scene, self.scene.b, self.scene.tokens
        scores = scene.call(self._scores(query, of, layer), "indexer_score", layer)
        best = b.made("TOP_K", "i32", (self.best, tokens), scores)
        found = b.get_rows(b.reshape(scores, 1, self.count, tokens), best)
        order = b.argsort(b.reshape(found, self.best, tokens))
        best = b.get_rows(b.reshape(b.cast(best, "f32"), 1, self.best, tokens), order)
        best = b.cast(b.cont(b.reshape(best, self.best, tokens)), "i32")
        scene.call(best, "indexer_top_k", layer)
        cells = b.get_rows(self.cells_of, b.reshape(best, self.best * tokens))
        cells = b.reshape(cells, self.each * self.best, tokens)
        cells = b.concat(cells, self.tails, 0) if self.tail else cells
        if self.gathers:
            return scene.call(cells, "indexer_sel_idx", layer)
        name = "indexer_sel" if self.reshapes else "kq_mask_dsa"
        return scene.call(self._shown(b.expand(cells), mask), name, layer)

    def _scores(self, query: Tensor, of: Tensor, layer: int) -> Tensor:
        """What each pool is to every token, in one operation."""
        scene, b = self.scene, self.scene.b
        queries = b.mul_mat(scene.needed("indexer.attn_q_b.weight", layer), query)
        queries = b.reshape(queries, self.width, queries.ne[0] // self.width, scene.tokens)
        pooled = self._pooled(of, layer)
        shares = b.scale(b.mul_mat(scene.needed("indexer.proj.weight", layer), of))
        scene.call(shares, "indexer_weights", layer)
        ne = (self.count, scene.tokens)
        return b.made("LIGHTNING_INDEXER", "f32", ne, queries, pooled, shares, self.mask)

    def _pooled(self, of: Tensor, layer: int) -> Tensor:
        """The keys of all pools, those that this micro-batch completes among them."""
        scene, b, width = self.scene, self.scene.b, self.width
        keys = b.mul_mat(scene.needed("indexer.attn_k.weight", layer), of)
        keys = norm(scene, "NORM", "indexer.k_norm", keys, layer)
        scene.call(keys, "indexer_k", layer)
        gates = b.mul_mat(scene.needed("indexer_compressor_gate.weight", layer), of)
        scene.call(gates, "indexer_gate", layer)
        none = b.filled("f32", width, scene.tokens)
        cache = self._stored(b.concat(b.concat(keys, gates, 0), none, 0), layer)
        every = cache.ne[1] * cache.ne[2]
        row = (cache.nb[1],)
        made = b.view(cache, (2 * width, every), row)
        places = self.new_cells
        places = b.reshape(places, self.each * self.new) if self.reshapes else places
        rows = b.get_rows(made, places)
        rows = b.reshape(rows, 2 * width, self.each, self.new)
        keys, gates = (b.view(rows, (width, self.each, self.new), rows.nb[1:3]) for _ in range(2))
        gates = b.add(gates, scene.needed("indexer_compressor_ape.weight", layer))
        gates = b.cont(b.permute(gates, 1, 0, 2, 3))
        gates = b.softmax(b.reshape(gates, self.each, width * self.new))
        gates = b.reshape(gates, self.each, width, self.new)
        pooled = b.sum_rows(b.mul(gates, b.cont(b.permute(keys, 1, 0, 2, 3))))
        pooled = b.reshape(pooled, width, self.new)
        b.expand(b.set_rows(b.view(cache, (width, every), row), pooled, self.new_keys))
        pooled = b.get_rows(b.view(cache, (width, every), row), self.keys_of)
        return b.reshape(pooled, width, 1, self.count)

    def _stored(self, rows: Tensor, layer: int) -> Tensor:
        """The cache with what this micro-batch writes."""
        scene, b = self.scene, self.scene.b
        home = scene.cache_home(layer)
        ne = (rows.ne[0], self.cells, scene.streams, 1)
        cache = b.held(f"cache_k_l{layer}", scene.setting.type_k, ne, home=home)
        to = cache if scene.streams == 1 else b.reshape(cache, ne[0], ne[1] * ne[2])
        rows = b.reshape(rows, ne[0], 1, scene.tokens)
        rows = b.view(rows, (ne[0], scene.tokens), (rows.nb[2],))
        b.expand(b.set_rows(to, rows, self.places))
        return cache

    def _shown(self, cells: Tensor, mask: Tensor) -> Tensor:
        """A mask in the place of ``mask``; cells that are none get rows behind it."""
        b, tokens, count = self.scene.b, self.scene.tokens, self.chosen
        wide = self.cells + count
        every = b.repeat(b.filled(mask.kind, wide), wide, tokens)
        zeros = b.repeat(b.filled(mask.kind, count), count, tokens)
        if self.reshapes:
            alive = b.unary(b.reshape(self.alive, count, tokens))
        else:
            alive = b.reshape(b.unary(self.alive), count, tokens)
        behind = b.made("ARANGE", "f32", (count,))
        places = b.each("SUB", b.cast(cells, "f32"), behind)
        places = b.cast(b.add(b.mul(places, alive), behind), "i32")
        shown = b.set_rows(
            b.reshape(every, 1, wide, tokens),
            b.reshape(zeros, 1, count, tokens),
            b.reshape(places, count, tokens, 1),
        )
        shown = b.view(shown, (self.cells, tokens), (shown.nb[2],))
        if self.reshapes:
            return b.add(shown, b.reshape(mask, self.cells, tokens))
        row, each = shown.nb[1], mask.ne[1]
        return b.add(b.view(shown, mask.ne, (row, row * each, row * each)), mask)

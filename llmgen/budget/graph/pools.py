"""Pools of tokens with one key each: the best of them are read, and the last tokens (qwen4exp).

``build_inp_kpool`` and ``build_qsa_sel`` in qwen4exp.cpp; ``llama_memory_hybrid_idx_context``.
"""

from __future__ import annotations

from typing import Final

from llmgen.budget.builds import Rule
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.shape.rows import padded

# Pools are counted in so many, and the last one is never used (kpool_pad).
_COUNTED: Final = 64


class Pools:
    """A cache of each token's key beside that of its pool, and which tokens make up which pool."""

    def __init__(self, scene: Scene, each: int) -> None:
        """Its inputs, for pools of ``each`` tokens; a full cache makes every key of them anew."""
        b, tokens, header = scene.b, scene.tokens, scene.model.header
        self.scene, self.each, self.cells = scene, each, scene.setting.counts.cells
        self.width = header.count("attention.indexer.key_length")
        self.heads = header.count("attention.indexer.head_count")
        real = self.cells // each * scene.slots
        self.new, self.count = max(1, real), padded(real + 1, _COUNTED)
        self.best = min(self.count, header.count("attention.indexer.top_k") // each)
        self.places = b.input("attn_inp_k_idxs", "i64", tokens)
        self.homes = b.expand(b.input("", "i32", self.count))
        self.members = b.expand(b.input("", "i32", each, self.count))
        self.mask = b.expand(b.input("", "f16", self.count, tokens))
        self.tail = b.expand(b.input("", "i32", each - 1, tokens))
        self.new_members = b.input("", "i32", each, self.new)
        self.flat_members = b.reshape(self.new_members, each * self.new)
        self.new_homes = b.input("", "i64", self.new)
        self.new_positions = b.input("", "i32", 4 * self.new)

    def shown(self, of: Tensor, positions: Tensor, mask: Tensor, layer: int) -> Tensor:
        """A mask that hides all but the tokens of the best pools and those behind the last one."""
        scene, b = self.scene, self.scene.b
        scores = self._scores(of, positions, layer)
        best = b.made("TOP_K", "i32", (self.best, scene.tokens), scores)
        scene.call(best, "indexer_top_k", layer)
        chosen = b.get_rows(self.members, b.reshape(best, self.best * scene.tokens))
        chosen = b.reshape(chosen, self.each * self.best, scene.tokens)
        chosen = b.expand(b.concat(chosen, self.tail, 0))
        every = self._filled(mask.kind, self.cells + chosen.ne[0])
        zeros = self._filled(mask.kind, chosen.ne[0])
        places = self._places(chosen, self._alive(scores, best))
        shown = b.set_rows(every, zeros, b.reshape(places, *chosen.ne[:2], 1))
        row, ne = shown.nb[2], mask.ne
        shown = b.view(shown, ne, (row, row * ne[1], row * ne[1] * ne[2]))
        return scene.call(b.add(shown, mask), "kq_mask_qsa", layer)

    def _scores(self, of: Tensor, positions: Tensor, layer: int) -> Tensor:
        """What each pool is to every token."""
        scene, b = self.scene, self.scene.b
        keys = self._keys(of, layer)
        query = b.mul_mat(scene.needed("indexer.q_proj.weight", layer), of)
        query = b.reshape(query, self.width, self.heads, scene.tokens)
        query = b.rope(norm(scene, "RMS_NORM", "indexer.q_norm", query, layer), positions)
        scene.call(query, "indexer_q", layer)
        shares = b.filled("f32", self.heads, scene.tokens)
        extents = (self.count, scene.tokens)
        scores = b.made("LIGHTNING_INDEXER", "f32", extents, query, keys, shares, self.mask)
        return scene.call(scores, "indexer_score", layer)

    def _keys(self, of: Tensor, layer: int) -> Tensor:
        """Keys of tokens are stored, those of pools made of them, stored, and all of these read."""
        scene, b, width = self.scene, self.scene.b, self.width
        raw = b.mul_mat(scene.needed("indexer.k_proj.weight", layer), of)
        scene.call(raw, "indexer_k_raw", layer)
        nothing = b.filled("f32", width, scene.tokens)
        home = scene.cache_home(layer)
        cells = self.cells * scene.streams
        ne = (2 * width, cells, 1, 1)
        cache = b.held(f"cache_idx_k_l{layer}", scene.setting.type_k, ne, home=home)
        b.expand(b.set_rows(cache, b.concat(raw, nothing, 0), self.places))
        tokens, pools = (b.view(cache, (width, cells), (cache.nb[1],)) for _ in range(2))
        members = self.flat_members
        if scene.follows(Rule.POOLS_RESHAPED):
            members = b.reshape(self.new_members, self.each * self.new)
        rows = b.get_rows(tokens, members)
        rows = b.reshape(rows, width, self.each, self.new)
        parts = [b.view(rows, (width, self.new), (rows.nb[2],)) for _ in range(self.each)]
        mean = b.cont(parts[0])
        for part in parts[1:]:
            mean = b.add(mean, part)
        mean = norm(scene, "RMS_NORM", "indexer.k_norm", b.scale(mean), layer)
        mean = b.rope(b.reshape(mean, width, 1, self.new), self.new_positions)
        b.expand(b.set_rows(pools, b.reshape(mean, width, self.new), self.new_homes))
        return b.reshape(b.get_rows(pools, self.homes), width, 1, self.count)

    def _filled(self, kind: str, count: int) -> Tensor:
        """As many equal elements for each token, each a row of its own."""
        b, tokens = self.scene.b, self.scene.tokens
        row = b.filled(kind, count)
        return b.reshape(b.repeat(row, count, tokens), 1, count, tokens)

    def _alive(self, scores: Tensor, best: Tensor) -> Tensor:
        """Which of the chosen tokens are there."""
        scene, b, tokens = self.scene, self.scene.b, self.scene.tokens
        found = b.get_rows(b.reshape(scores, 1, self.count, tokens), best)
        found = b.repeat(scene.clamp(b.scale(found)), self.each, self.best, tokens)
        found = b.reshape(found, self.each * self.best, tokens)
        return b.concat(found, scene.clamp(b.scale(b.cast(self.tail, "f32"))), 0)

    def _places(self, chosen: Tensor, alive: Tensor) -> Tensor:
        """Where each of them is; those that are not there have a place behind all others."""
        b = self.scene.b
        behind = b.scale(b.each("CUMSUM", b.each("FILL", alive)))
        places = b.each("SUB", b.cast(chosen, "f32"), behind)
        return b.cast(b.add(b.mul(places, alive), behind), "i32")

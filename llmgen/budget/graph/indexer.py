"""Lightning indexers: short keys of every token, and which of them a query reads (DeepSeek 3.2).

``llama_kv_cache_dsa`` and ``build_attn`` of ``llm_graph_input_attn_k_dsa``.
"""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.positions import turned_part
from llmgen.budget.graph.rotation import rotation_block
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor

# The smallest block that keys are rotated in (llama-kv-cache.cpp).


class IndexerKeys:
    """A cache of one short key for each token, with a mask and a rotation of its own."""

    def __init__(self, scene: Scene, *, rotates: bool = True) -> None:
        """Make its inputs; a fused operation wants its mask in f16."""
        b, counts = scene.b, scene.setting.counts
        self.scene, self.cells = scene, counts.cells
        self.width = scene.model.indexer_width
        self.places = b.input("attn_inp_k_idxs", "i64", scene.tokens)
        each = scene.tokens // scene.streams
        self.fused = not scene.follows(Rule.UNFUSED_INDEXER)
        kind = "f16" if self.fused else "f32"
        self.mask = b.input("attn_inp_kq_mask", kind, self.cells, each, 1, scene.streams)
        block = rotation_block(self.width)
        self.rotation = b.input("attn_inp_k_rot", "f32", block, block) if rotates else None

    def through(self, keys: Tensor, layer: int) -> Tensor:
        """Store the keys of a micro-batch, and read those of all tokens."""
        scene, b = self.scene, self.scene.b
        home = scene.cache_home(layer)
        ne = (self.width, self.cells, scene.streams, 1)
        cache = b.held(f"cache_k_l{layer}", scene.setting.type_k, ne, home=home)
        to = cache if scene.streams == 1 else b.reshape(cache, ne[0], ne[1] * ne[2])
        b.expand(b.set_rows(to, b.view(keys, (ne[0], scene.tokens), (keys.nb[2],)), self.places))
        row = cache.nb[1]
        return b.view(cache, (ne[0], 1, *ne[1:3]), (row, row, cache.nb[2]))

    def choose(self, query: Tensor, of: Tensor, positions: Tensor, layer: int) -> Tensor:
        """Which tokens every token reads: the best of all scores; ``query`` is its latent one."""
        scene, b, header = self.scene, self.scene.b, self.scene.model.header
        heads, tokens = header.count("attention.indexer.head_count"), scene.tokens
        queries = b.mul_mat(scene.needed("indexer.attn_q_b.weight", layer), query)
        queries = b.reshape(queries, self.width, heads, tokens)
        queries = turned_part(scene, queries, positions)
        keys = b.mul_mat(scene.needed("indexer.attn_k.weight", layer), of)
        keys = norm(scene, "NORM", "indexer.k_norm", keys, layer)
        keys = turned_part(scene, b.reshape(keys, self.width, 1, tokens), positions)
        if self.rotation:
            queries, keys = (b.mul_mat(self.rotation, part) for part in (queries, keys))
        scene.call(queries, "indexer_q", layer)
        scene.call(keys, "indexer_k", layer)
        stored = self.through(keys, layer)
        shares = b.mul_mat(scene.needed("indexer.proj.weight", layer), of)
        streams = stored.ne[3]
        each = tokens // streams
        ne, nb = (self.width, heads, each, streams), queries.nb
        queries = b.view(queries, ne, (nb[1], nb[2], nb[3] // streams))
        ne, nb = (heads, each, 1, streams), shares.nb
        shares = b.view(shares, ne, (nb[1], nb[2] // streams, nb[3] // streams))
        scores = (self._scores if self.fused else self._scores_of_heads)(
            queries, stored, shares, layer
        )
        scene.call(scores, "indexer_score", layer)
        count = min(self.cells, header.count("attention.indexer.top_k"))
        best = b.made("TOP_K", "i32", (count, *scores.ne[1:]), scores)
        return scene.call(b.cont(best), "top_k", layer)

    def _scores(self, queries: Tensor, stored: Tensor, shares: Tensor, layer: int) -> Tensor:
        """What each token is to every other one, in one operation."""
        b = self.scene.b
        shares = self.scene.call(b.scale(shares), "indexer_weights", layer)
        extents = (self.cells, queries.ne[2], 1, queries.ne[3])
        return b.made("LIGHTNING_INDEXER", "f32", extents, queries, stored, shares, self.mask)

    def _scores_of_heads(
        self, queries: Tensor, stored: Tensor, shares: Tensor, layer: int
    ) -> Tensor:
        """The same from scores of each head (deepseek32.cpp of b9464)."""
        scene, b = self.scene, self.scene.b
        queries, stored = b.permute(queries, 0, 2, 1, 3), b.permute(stored, 0, 2, 1, 3)
        scores = scene.call(b.mul_mat(stored, queries), "indexer_kq", layer)
        scores = scene.call(b.cont(b.permute(scores, 2, 1, 0, 3)), "indexer_kq", layer)
        scores = scene.call(b.unary(scores), "indexer_score", layer)
        shares = scene.call(b.scale(shares), "indexer_weights", layer)
        scores = scene.call(b.mul(scores, shares), "indexer_score", layer)
        scores = scene.call(b.sum_rows(scores), "indexer_score", layer)
        scores = scene.call(b.cont(b.permute(scores, 2, 1, 0, 3)), "indexer_score", layer)
        return b.add(scores, self.mask)


def unmasked(scene: Scene, mask: Tensor, best: Tensor, *, kind: str = "f32") -> Tensor:
    """A mask that hides all but the chosen tokens; ``kind`` is the type of what is written."""
    b = scene.b
    every = b.each("FILL", mask)
    ne, nb = every.ne, every.nb
    every = b.view(every, (1, ne[0], ne[1], ne[3]), nb[:3])
    extents = (best.ne[0], best.ne[1], best.ne[3], 1)
    places = b.view(best, extents, (best.nb[1], best.nb[2], best.ne[3] * best.nb[3]))
    zeros = b.filled(kind, 1, *extents[:3])
    shown = b.set_rows(every, zeros, places)
    ne, nb = shown.ne, shown.nb
    shown = b.view(shown, (ne[1], ne[2], 1, ne[3]), (nb[2], nb[3], nb[3]))
    return b.add(shown, mask)

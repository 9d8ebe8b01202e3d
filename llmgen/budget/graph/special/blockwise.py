"""Attention that reads whole blocks of tokens, which an indexer chooses (minimax-m3.cpp)."""

from __future__ import annotations

from typing import Final

from llmgen.budget.graph.attention import rotated
from llmgen.budget.graph.builder import dense
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.indexer import IndexerKeys
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.shape.rows import padded

# A cache without a token in it counts so many positions (llama_kv_cache_msa_context::get_n_pos).
_POSITIONS: Final = 256


def describe(scene: Scene, recipe: Recipe) -> None:
    """Blocks are known where each slot has a cache of its own, and attention is fused."""
    chosen = scene.slots == scene.streams and scene.setting.flash
    chosen = chosen and scene.model.indexer_width > 0
    (Blockwise if chosen else Decoder)(scene, recipe).run()


class Blockwise(Decoder):
    """All but the first layers choose blocks, a stream after the other."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Which cells, positions and blocks belong together."""
        super().__init__(scene, recipe)
        header, b = scene.model.header, scene.b
        self.indexer = IndexerKeys(scene)
        self.heads = header.count("attention.indexer.head_count")
        self.block = max(1, header.count("attention.indexer.block_size"))
        self.places = padded(_POSITIONS, self.block)
        self.blocks = self.places // self.block
        self.best = min(self.blocks, header.count("attention.indexer.top_k"))
        self.each = scene.tokens // scene.streams
        self.bias = b.input("", "f32", self.blocks, scene.tokens)
        self.unmapped = b.input("", "f32", self.places, scene.tokens)
        self.cells_of = b.input("", "i32", self.places, scene.streams)
        self.blocks_of = b.input("", "i32", self.indexer.cells, scene.streams)
        self.mask = b.cast(self.caches.full.mask, "f32")

    def _attention(self, normed: Tensor, layer: int) -> Tensor:
        scene, b, cache = self.scene, self.scene.b, self.caches.full
        if not scene.weight("indexer.q_proj.weight", layer):
            return super()._attention(normed, layer)
        query, keys, values = self._heads(normed, layer)
        query, keys = b.rope(query, self.positions), b.rope(keys, self.positions)
        for tensor, name in ((query, "Qcur"), (keys, "Kcur"), (values, "Vcur")):
            scene.call(tensor, name, layer)
        asking = self._index("q", normed, self.heads, layer)
        stored = self.indexer.through(self._index("k", normed, 1, layer), layer)
        if cache.k_rotation:
            query, keys = (rotated(scene, part, cache.k_rotation) for part in (query, keys))
        if cache.v_rotation:
            values = rotated(scene, values, cache.v_rotation)
        for tensor in (query, keys, values):
            b.expand(tensor)
        cache.store_keys(keys, layer)
        cache.store_values(values, layer)
        read = cache.keys(layer), cache.values(layer)
        result, *others = (
            self._attended_blocks(query, read, self._chosen(asking, stored, layer), layer)
            for _ in range(scene.streams)
        )
        for other in others:
            result = b.concat(result, other, 1)
        if cache.v_rotation:
            result = rotated(scene, result, cache.v_rotation)
        return self._attended(scene.call(result, "kqv_out", layer), normed, layer)

    def _index(self, name: str, normed: Tensor, heads: int, layer: int) -> Tensor:
        """Short queries or keys, which are not rotated as rows of a cache are."""
        scene, b = self.scene, self.scene.b
        rows = linear(scene, f"indexer.{name}_proj", normed, layer)
        rows = b.reshape(rows, self.indexer.width, heads, scene.tokens)
        rows = norm(scene, "RMS_NORM", f"indexer.{name}_norm", rows, layer)
        return b.rope(rows, self.positions)

    def _scores(self, asking: Tensor, stored: Tensor, layer: int) -> Tensor:
        """The best score of each block, for every token of a stream."""
        b, each, heads = self.scene.b, self.each, self.heads
        asking = b.view(asking, (asking.ne[0], heads, each), asking.nb[1:3])
        stored = b.view(stored, (stored.ne[0], self.indexer.cells), (stored.nb[2],))
        cells = b.view(self.cells_of, (self.places,), ())
        row = self.unmapped.nb[1]
        unmapped = b.view(self.unmapped, (self.places, 1, each), (row, row))
        scores = b.mul_mat(b.get_rows(stored, cells), b.reshape(asking, asking.ne[0], heads * each))
        scores = b.in_place("ADD", b.reshape(scores, self.places, heads, each), unmapped)
        best = b.made("POOL_2D", "f32", (self.blocks, heads, each), scores)
        return self.scene.call(best, "msa_bs", layer)

    def _chosen(self, asking: Tensor, stored: Tensor, layer: int) -> Tensor:
        """A mask of each head that hides all cells but those of the best blocks."""
        scene, b, each, heads = self.scene, self.scene.b, self.each, self.heads
        row, count = self.bias.nb[1], self.blocks
        bias = b.view(self.bias, (count, 1, each), (row, row))
        scores = scene.call(b.add(self._scores(asking, stored, layer), bias), "msa_bsf", layer)
        best = b.made("TOP_K", "i32", (self.best, heads, each), scores)
        hidden = b.repeat(b.cast(b.scale(bias), "f16"), count, heads, each)
        shown = b.set_rows(
            b.reshape(hidden, 1, count, heads * each),
            b.reshape(b.scale(b.cast(best, "f32")), 1, self.best, heads * each),
            b.reshape(best, self.best, heads * each),
        )
        shown = b.reshape(shown, count, heads, each)
        shown = scene.call(b.cont(b.permute(shown, 0, 2, 1, 3)), "msa_block_mask", layer)
        shown = b.cont(b.transpose(b.reshape(shown, count, each * heads)))
        cells = self.indexer.cells
        shown = b.get_rows(shown, b.view(self.blocks_of, (cells,), ()))
        shown = b.reshape(b.cont(b.transpose(shown)), cells, each, heads)
        mask = b.view(self.mask, (cells, each, 1), (self.mask.nb[1], self.mask.nb[3]))
        shown = b.reshape(b.in_place("ADD", shown, mask), cells, each, 1, heads)
        return scene.call(b.cast(shown, "f16"), "msa_mask4", layer)

    def _attended_blocks(
        self, query: Tensor, read: tuple[Tensor, Tensor], mask: Tensor, layer: int
    ) -> Tensor:
        """Fused attention of one stream, heads of K and V beside each other."""
        scene, b, each = self.scene, self.scene.b, self.each
        head, heads, groups = query.ne[0], query.ne[1], self.heads
        query = b.view(query, (head, heads, each), query.nb[1:3])
        query = b.reshape(query, head, heads // groups, groups, each)
        keys, values = (
            b.permute(b.view(part, (*part.ne[:3], 1), part.nb[1:4]), 0, 3, 1, 2) for part in read
        )
        result = b.flash_attention(b.permute(query, 0, 2, 3, 1), keys, values, mask)
        # No layer: nobody asks where it runs.
        scene.call(result, f"msa_fattn-{layer}")
        result = dense(b, b.permute(result, 0, 1, 3, 2))
        return b.reshape(result, head * heads, each)

"""Attention to a window, and to keys of several tokens behind it (deepseek4.cpp)."""

from __future__ import annotations

from typing import Final

from llmgen.budget.builds import Rule
from llmgen.budget.graph.attention import Extras, attended
from llmgen.budget.graph.compressor import Compressor, Rows
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.feedforward import feed_forward, mixed, sqrt_softplus, weighed
from llmgen.budget.graph.head import conclude
from llmgen.budget.graph.hyper import (
    Narrow,
    head_shares,
    narrowed,
    rows_of,
    spread,
    weighed_sum,
    widened,
)
from llmgen.budget.graph.indexer import unmasked
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.positions import turned_part
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import WEIGHT, Tensor

# Tokens of a row, where an indexer chooses rows and where all are read.
_FINE: Final = 4
_COARSE: Final = 128


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder of several streams, whose layers compress their keys or do not."""
    Compressed(scene, recipe).run()


class Compressed(Decoder):
    """Four streams beside one another; every slot has its own caches."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Make the caches with their inputs."""
        super().__init__(scene, recipe)
        b, model = scene.b, scene.model
        kind = "f16" if scene.setting.flash else "f32"
        self.tokens = self.stream.sources[1]
        self.ratios = model.header.listed("attention.compress_ratios")
        cells, each = scene.setting.counts.window_cells, scene.tokens // scene.slots
        self.raw = Rows(scene, cells, model.key_length)
        self.places = b.input("", "i64", scene.tokens)
        self.mask = b.input("attn_inp_kq_mask", kind, cells, each, 1, scene.slots)
        b.expand(self.mask)
        head, short = model.key_length, model.indexer_width
        self.fine = Compressor(scene, "csa", ratio=_FINE, width=head, overlaps=True, mask=kind)
        self.coarse = Compressor(scene, "hca", ratio=_COARSE, width=head, overlaps=False, mask=kind)
        self.index = Compressor(scene, "lid", ratio=_FINE, width=short, overlaps=True, mask="f16")
        self.stream = widened(scene, self.stream)

    def run(self) -> None:
        """All layers, the streams as one, the last norm and logits."""
        scene = self.scene
        for layer in scene.layers:
            self.stream = scene.end(layer, self._layer(layer))
        if scene.follows(Rule.STREAM_HANDED_ON):
            scene.give("h_nextn", scene.call(self.stream, "h_nextn", scene.last))
        wide = rows_of(scene, self.stream, self.rows)
        result = weighed_sum(scene, wide, head_shares(scene, wide))
        result = norm(scene, "RMS_NORM", "output_norm", scene.call(result, "hc_head"))
        conclude(scene, self.recipe, result)

    def _layer(self, layer: int) -> Tensor:
        scene = self.scene
        one = narrowed(scene, self.stream, "hc_attn", layer)
        normed = self._normed(scene.call(one.stream, "hc_attn_pre", layer), "attn_norm", layer)
        wide = spread(scene, self._attention(normed, layer), self.stream, one)
        scene.call(wide, "hc_attn_post", layer)
        one = narrowed(scene, wide, "hc_ffn", layer)
        scene.call(one.stream, "hc_ffn_pre", layer)
        self._settle(wide, one)
        result = self._feed(self._normed(one.stream, "ffn_norm", layer), layer)
        return scene.call(spread(scene, result, wide, one), "l_last", layer)

    def _settle(self, wide: Tensor, one: Narrow) -> None:
        """Streams and what they get are there before the feed-forward."""
        for tensor in (wide, one.post, one.others):
            self.scene.b.expand(tensor)

    def _normed(self, of: Tensor, name: str, layer: int) -> Tensor:
        return self.scene.call(norm(self.scene, "RMS_NORM", name, of, layer), name, layer)

    def _product(self, name: str, of: Tensor, layer: int) -> Tensor:
        return self.scene.b.mul_mat(self.scene.needed(f"{name}.weight", layer), of)

    def _attention(self, normed: Tensor, layer: int) -> Tensor:
        scene, b, head = self.scene, self.scene.b, self.raw.width
        heads, ratio = scene.model.heads[layer], self._ratio(layer)
        latent = scene.call(self._product("attn_q_a", normed, layer), "qr", layer)
        latent = norm(scene, "RMS_NORM", "attn_q_a_norm", latent, layer)
        scene.call(latent, "qr_norm", layer)
        query = b.reshape(self._product("attn_q_b", latent, layer), head, heads, scene.tokens)
        query = scene.call(b.each("RMS_NORM", query), "q_norm", layer)
        query = scene.call(self._turned(query), "q", layer)
        keys = self._product("attn_kv", normed, layer)
        keys = norm(scene, "RMS_NORM", "attn_kv_a_norm", keys, layer)
        keys = scene.call(b.reshape(keys, head, 1, scene.tokens), "kv_norm", layer)
        keys = scene.call(self._turned(keys), "kv", layer)
        best = None
        if ratio == _FINE:
            self.fine.compress(normed, "attn_compressor", layer)
            self.index.compress(normed, "indexer_compressor", layer)
            best = self._best(latent, normed, layer)
        elif ratio == _COARSE:
            self.coarse.compress(normed, "attn_compressor", layer)
        result = self._read(query, keys, best, layer)
        result = b.reshape(result, head, heads, scene.tokens)
        result = turned_part(scene, result, self.positions, last=True, op="ROPE_BACK")
        return self._joined(scene.call(result, "attn_derope", layer), layer)

    def _turned(self, of: Tensor) -> Tensor:
        return turned_part(self.scene, of, self.positions, last=True)

    def _ratio(self, layer: int) -> int:
        return self.ratios[layer] if layer < len(self.ratios) else 0

    def _read(self, query: Tensor, keys: Tensor, best: Tensor | None, layer: int) -> Tensor:
        """Attention to the window, and to compressed rows behind it."""
        scene, b, raw = self.scene, self.scene.b, self.raw
        query, keys = raw.turned(query), raw.turned(keys)
        b.expand(query)
        b.expand(keys)
        raw.store(keys, self.places, layer)
        stored, mask, name = raw.read(layer), self.mask, "attn_raw"
        if best is not None:
            stored = b.concat(stored, self.fine.rows.read(layer), 2)
            scene.call(stored, "csa_k_all", layer)
            shown = unmasked(scene, self.fine.mask, best, kind=self.fine.mask.kind)
            scene.call(shown, "csa_top_k_mask", layer)
            mask = scene.call(b.concat(mask, shown, 0), "csa_lid_kq_mask", layer)
            name = "attn_csa_lid"
        elif self._ratio(layer) == _COARSE:
            stored = b.concat(stored, self.coarse.rows.read(layer), 2)
            scene.call(stored, "hca_k_all", layer)
            mask = scene.call(b.concat(mask, self.coarse.mask, 0), "hca_kq_mask", layer)
            name = "attn_hca"
        extras = Extras(sinks=scene.needed("attn_sinks.weight", layer))
        result = attended(scene, query, stored, stored, mask, layer, extras)
        return scene.call(raw.turned(result), name, layer)

    def _best(self, latent: Tensor, normed: Tensor, layer: int) -> Tensor:
        """The compressed rows that every token reads."""
        scene, b, header = self.scene, self.scene.b, self.scene.model.header
        heads, width = header.count("attention.indexer.head_count"), self.index.width
        query = self._product("indexer.attn_q_b", latent, layer)
        query = self._turned(b.reshape(query, width, heads, scene.tokens))
        query = self.index.rows.turned(scene.call(query, "lid_q_rope", layer))
        shares = b.scale(self._product("indexer.proj", normed, layer))
        scene.call(shares, "lid_weights", layer)
        slots, mask = scene.slots, self.index.mask
        each, nb = scene.tokens // slots, query.nb
        query = b.view(query, (width, heads, each, slots), (nb[1], nb[2], nb[3] // slots))
        nb = shares.nb
        ne = (heads, each, 1, slots)
        shares = b.view(shares, ne, (nb[1], nb[2] // slots, nb[3] // slots))
        ne, stored = (mask.ne[0], each, 1, slots), self.index.rows.read(layer)
        scores = b.made("LIGHTNING_INDEXER", "f32", ne, query, stored, shares, mask)
        scene.call(scores, "lid_score_masked", layer)
        count = min(mask.ne[0], header.count("attention.indexer.top_k"))
        best = b.made("TOP_K", "i32", (count, *ne[1:]), scores)
        return scene.call(b.cont(best), "lid_top_k", layer)

    def _joined(self, of: Tensor, layer: int) -> Tensor:
        """What attention adds to the streams: a product for each group of heads, then all."""
        scene, b, header = self.scene, self.scene.b, self.scene.model.header
        groups = header.count("attention.output_group_count")
        rank = header.count("attention.output_lora_rank")
        of = b.reshape(of, of.ne[0] * of.ne[1] // groups, groups, scene.tokens)
        matrix = self._by_group(scene.needed("attn_output_a.weight", layer), rank, groups)
        part = b.mul_mat(matrix, b.permute(of, 0, 2, 1, 3))
        scene.call(part, "attn_wo_a", layer)
        part = b.cont(b.permute(part, 0, 2, 1, 3), rank * groups, scene.tokens)
        return scene.call(self._product("attn_output_b", part, layer), "attn_out", layer)

    def _by_group(self, matrix: Tensor, rank: int, groups: int) -> Tensor:
        """The loader gives a flat matrix its third extent."""
        ne = (matrix.ne[0], rank, groups, 1)
        held = self.scene.b.held(matrix.name, matrix.kind, ne, home=matrix.home, flags=WEIGHT)
        held.bytes = matrix.bytes
        return held

    def _feed(self, normed: Tensor, layer: int) -> Tensor:
        """Experts that a table gives to each word in the first layers, chosen ones in others."""
        scene, b = self.scene, self.scene.b
        if layer >= scene.model.header.count("hash_layer_count"):
            return super()._feed(normed, layer)
        how = self.recipe.experts
        logits = self._product("ffn_gate_inp", normed, layer)
        scores = sqrt_softplus(scene, scene.call(logits, "ffn_moe_logits", layer), layer)
        chosen = b.get_rows(scene.needed("ffn_gate_tid2eid.weight", layer), self.tokens)
        scene.call(chosen, "ffn_moe_topk", layer)
        weights = b.expand(weighed(scene, scores, chosen, layer, how))
        routed = mixed(scene, normed, chosen, weights, layer, how)
        shared = feed_forward(scene, normed, layer, how.kind, "_shexp")
        both = b.add(routed, scene.call(shared, "ffn_shexp", layer))
        return scene.call(both, "ffn_out merged", layer)

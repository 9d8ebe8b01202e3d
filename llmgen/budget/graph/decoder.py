"""The graph of a decoder whose layers are attention and a feed-forward, as its recipe says."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from llmgen.budget.builds import Rule
from llmgen.budget.graph.attention import Batch, Extras, Window, cached_attention, caches
from llmgen.budget.graph.feedforward import feed_forward, latent_experts
from llmgen.budget.graph.gated import gated_heads, gated_result, opened
from llmgen.budget.graph.head import finish, is_whole
from llmgen.budget.graph.inputs import (
    attention_scale,
    deep_rows,
    embedded,
    output_rows,
    positions,
)
from llmgen.budget.graph.linear import biased, linear, norm
from llmgen.budget.graph.mixers import MIXERS
from llmgen.budget.graph.recipe import SIGMOID, Beside, Heads, Recipe, Rope, Warmth
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.states import States
from llmgen.budget.graph.tensor import Tensor

_TEMPERATURE: Final = "attention.temperature_scale"
_LAYERS_7B: Final = 32


def describe(scene: Scene, recipe: Recipe) -> None:
    """Fill ``scene.b`` with the whole graph."""
    Decoder(scene, recipe).run()


class Decoder:
    """One description: the inputs that every layer reads, and the layers."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Make the inputs; only those that are read get into the graph."""
        header = scene.model.header.values
        if recipe.norm == "header":
            found = "RMS_NORM" if header.get("attention.layer_norm_rms_epsilon") else "NORM"
            recipe = replace(recipe, norm=found)
        self.scene, self.recipe = scene, recipe
        self.scaled = recipe.residual_scaled == "constant" or (
            bool(recipe.residual_scaled) and bool(header.get("residual_scale"))
        )
        self.clamped = recipe.clamped and bool(header.get("attention.clamp_kqv"))
        self.beside = recipe.beside
        self.sum = recipe.sum
        if recipe.beside is Beside.BY_HEADER:
            apart = bool(header.get("use_parallel_residual"))
            self.beside = Beside.STREAM if apart else Beside.BEHIND
            self.sum = recipe.sum if apart else recipe.sum[:2]
        self.positions = positions(scene, recipe.positions)
        self.stream = self._start()
        self.warmth = attention_scale(scene)
        self.caches: Window = caches(scene)
        self.batch = Batch(scene)
        self.rows = output_rows(scene)
        self.states = States(scene)

    def _start(self) -> Tensor:
        """The input with learned positions, if there are any."""
        scene, stream = self.scene, embeddings(self.scene, self.recipe)
        if self.recipe.learned and (table := scene.weight("position_embd.weight")):
            places = scene.call(scene.b.get_rows(table, self.positions), "pos_embd")
            stream = scene.call(scene.b.add(stream, places), "inpL")
        return stream

    def run(self) -> None:
        """All layers, then the output."""
        for layer in self.scene.layers:
            self.stream = self.scene.end(layer, self._layer(layer))
        finish(self.scene, self.recipe, self.stream, self.rows)

    def _layer(self, layer: int) -> Tensor:
        scene, recipe, b = self.scene, self.recipe, self.scene.b
        stream = self.stream
        source = normed = stream
        if not self._unnormed(layer):
            source = normed = norm(scene, recipe.norm, "attn_norm", stream, layer)
            scene.call(normed, "attn_norm", layer)
            if scene.weight("attn_norm_2.weight", layer):
                source = norm(scene, recipe.norm, "attn_norm_2", stream, layer)
        if recipe.normed_first:
            b.expand(normed)
        if recipe.both:
            return self._beside(source, layer)
        added = self._mixed(source, layer)
        if recipe.post_first:
            added = self._normed_behind(added, layer)
        if self._takes_rows(layer):
            added, stream = b.get_rows(added, self.rows), b.get_rows(stream, self.rows)
            if self.beside is Beside.ATTENTION_INPUT or self._feeds_on_input(layer):
                normed = b.get_rows(normed, self.rows)
        if recipe.alone:
            return scene.call(b.add(added, stream), "l_out", layer)
        if not recipe.post_first:
            added = self._normed_behind(added, layer)
        added = b.scale(added) if self.scaled else added
        result = self._behind(stream, normed, added, layer)
        scene.call(result, "l_out", layer)
        if layer < scene.model.header.count("n_deepstack_layers"):
            result = scene.call(b.add(result, deep_rows(scene)), "deepstack_out", layer)
        return result

    def _takes_rows(self, layer: int) -> bool:
        """Whether a layer goes on with rows of outputs alone."""
        whole = is_whole(self.scene, self.recipe) or not self.recipe.picks
        late = whole or self.scene.follows(Rule.ROWS_BEHIND_FEED)
        return layer == self.scene.last and not late

    def _normed_behind(self, added: Tensor, layer: int) -> Tensor:
        """What attention adds, behind a norm if there is one."""
        if not self.recipe.post[0]:
            return added
        added = norm(self.scene, self.recipe.norm, self.recipe.post[0], added, layer)
        return self.scene.call(added, "attn_post_norm", layer)

    def _unnormed(self, layer: int) -> bool:
        """Whether attention reads the stream itself."""
        lacks = self.recipe.norm_optional and not self.scene.weight("attn_norm.weight", layer)
        return self.recipe.unnormed or lacks

    def _beside(self, source: Tensor, layer: int) -> Tensor:
        """Attention and a mixer, each with a norm of its own, then the feed-forward."""
        scene, recipe, b = self.scene, self.recipe, self.scene.b
        added = self._attention(source, layer)
        again = norm(scene, recipe.norm, "attn_norm", self.stream, layer)
        mixed = MIXERS[recipe.mixer](scene, self.states, again, layer)
        stream = b.add(b.add(added, mixed), self.stream)
        if layer == scene.last:
            stream = b.get_rows(stream, self.rows)
        normed = norm(scene, recipe.norm, "ffn_norm", stream, layer)
        result = self._feed(scene.call(normed, "ffn_norm", layer), layer)
        return scene.call(b.add(result, stream), "l_out", layer)

    def _mixed(self, source: Tensor, layer: int) -> Tensor:
        """What a layer does across tokens; where it does one thing alone, perhaps nothing."""
        scene, recipe = self.scene, self.recipe
        if scene.model.recurrent[layer]:
            return MIXERS[recipe.mixer](scene, self.states, source, layer)
        if recipe.alone and scene.model.feed_forward[layer]:
            return self._feed(source, layer)
        return self._attention(source, layer)

    def _behind(self, stream: Tensor, normed: Tensor, added: Tensor, layer: int) -> Tensor:
        """The stream behind the feed-forward, which may run beside attention."""
        scene, recipe, b = self.scene, self.recipe, self.scene.b
        if self.beside is Beside.BEHIND:
            first, second = (stream, added) if recipe.onto_stream else (added, stream)
            stream = self._summed(scene.call(b.add(first, second), "ffn_inp", layer))
            normed = normed if self._feeds_on_input(layer) else self._fed(stream, layer)
        elif self.beside is Beside.STREAM:
            normed = self._fed(stream, layer)
        result = self._feed(normed, layer)
        if recipe.post[1]:
            result = norm(scene, recipe.norm, recipe.post[1], result, layer)
        if scene.follows(Rule.ROWS_BEHIND_FEED) and layer == scene.last:
            result, stream = b.get_rows(result, self.rows), b.get_rows(stream, self.rows)
        result = b.scale(result) if self.scaled else result
        parts = {"stream": stream, "feed": result, "added": added}
        first, *others = (parts[name] for name in self.sum)
        for other in others:
            first = b.add(first, other)
        return first

    def _summed(self, stream: Tensor) -> Tensor:
        """The sum of stream and attention, as the feed-forward gets it."""
        return stream

    def _feeds_on_input(self, layer: int) -> bool:
        """Whether the norm in front of the feed-forward may be missing, and is."""
        optional = self.recipe.feed_norm_optional
        return optional and self.scene.weight(f"{self.recipe.feed_norm}.weight", layer) is None

    def _fed(self, stream: Tensor, layer: int) -> Tensor:
        name = self.recipe.feed_norm
        if not name:
            return stream
        normed = norm(self.scene, self.recipe.norm, name, stream, layer)
        return self.scene.call(normed, "ffn_norm", layer)

    def _feed(self, normed: Tensor, layer: int) -> Tensor:
        """A feed-forward, or experts with shared ones beside them."""
        scene, recipe, b = self.scene, self.recipe, self.scene.b
        if not scene.weight("ffn_gate_inp.weight", layer):
            fed = feed_forward(
                *(scene, normed, layer, recipe.kind),
                scales=recipe.scales,
                biases=recipe.feed_biases,
                inner=recipe.inner[1],
                limit=recipe.limit,
            )
            return scene.call(fed, "ffn_out", layer)
        if not self._is_routed(layer):
            return scene.call(b.unary(scene.call(normed, "ffn_up", layer)), "ffn_out", layer)
        routed = latent_experts(scene, normed, layer, recipe.experts)
        if not scene.weight("ffn_up_shexp.weight", layer):
            return b.add(routed, b.unary(normed)) if self._adds_bare() else routed
        gate = None
        if recipe.shared_gate == SIGMOID:
            shared = feed_forward(
                scene, normed, layer, recipe.experts.kind, "_shexp", scales=recipe.scales
            )
            gate = b.unary(linear(scene, "ffn_gate_inp_shexp", normed, layer))
            return scene.call(b.add(routed, b.mul(shared, gate)), "ffn_out", layer)
        if recipe.shared_gate:
            open_ = linear(scene, "ffn_gate_inp_shexp", normed, layer)
            scene.call(open_, "ffn_shexp_gate_inp", layer)
            gate = scene.call(b.each("DIV", b.unary(open_), open_), "ffn_shexp_gate", layer)
        shared = feed_forward(
            *(scene, normed, layer, recipe.shared_kind or recipe.experts.kind, "_shexp"),
            scales=recipe.scales,
            limit=recipe.limit,
        )
        scene.call(shared, "ffn_shexp", layer)
        if gate is not None:
            shared = scene.call(b.mul(shared, gate), "ffn_shexp_out", layer)
        both = b.add(routed, shared)
        return scene.call(b.scale(both) if recipe.halved else both, "ffn_out merged", layer)

    def _is_routed(self, layer: int) -> bool:
        """Whether a layer computes the experts that it has."""
        key = self.recipe.routed_each
        each = self.scene.model.header.count(key) if key else 0
        return self.recipe.routed and (not each or (layer + 1) % each == 0)

    def _adds_bare(self) -> bool:
        bare = self.recipe.shared_bare
        return bool(self.scene.model.header.count(bare)) if isinstance(bare, str) else bare

    def _attention(self, normed: Tensor, layer: int) -> Tensor:
        scene, recipe, b = self.scene, self.recipe, self.scene.b
        gate, extras = None, self._extras(normed, layer)
        if recipe.gated:
            query, keys, values, gate = gated_heads(scene, normed, layer)
        else:
            query, keys, values = self._heads(normed, layer)
        changed = self._rotates(layer)
        if changed:
            factors = self._factors(layer) if recipe.factors else None
            query = b.rope(query, self.positions, factors)
            keys = b.rope(keys, self.positions, factors)
            bare = scene.model.header.most("expert_count") == recipe.bare_heads > 0
            changed = not bare
            if recipe.heads is Heads.BEHIND and not bare:
                query, keys = b.each("RMS_NORM", query), b.each("RMS_NORM", keys)
        if recipe.heads is Heads.AFTER and scene.weight("attn_q_norm.weight", layer):
            query = norm(scene, recipe.norm, "attn_q_norm", query, layer)
            keys = norm(scene, recipe.norm, "attn_k_norm", keys, layer)
        if recipe.warms is Warmth.UNROTATED and not self._rotates(layer):
            query = b.mul(query, self.warmth)
        if recipe.warms is Warmth.BY_HEADER and scene.model.header.values.get(_TEMPERATURE):
            query = b.mul(query, self.warmth)
        if recipe.query_scaled:
            query = b.scale(query)
        how = "" if changed else " as it is"
        for tensor, name in ((query, "Qcur" + how), (keys, "Kcur" + how), (values, "Vcur")):
            scene.call(tensor, name, layer)
        if recipe.cached:
            cache = self.caches.of(layer)
            result = cached_attention(scene, cache, query, keys, values, layer, extras=extras)
        else:
            result = self.batch.attend(query, keys, values, layer, extras)
        if gate is not None:
            result = b.mul(result, opened(scene, gate))
        return self._attended(result, normed, layer)

    def _extras(self, normed: Tensor, layer: int) -> Extras:
        """What attention reads beside Q, K and V."""
        del normed
        sinks = self.scene.weight("attn_sinks.weight", layer) if self.recipe.sinks else None
        return Extras(sinks=sinks, caps=self.recipe.caps)

    def _attended(self, result: Tensor, normed: Tensor, layer: int) -> Tensor:
        """What attention adds to the stream, of the rows of its heads."""
        scene, recipe, b = self.scene, self.recipe, self.scene.b
        if recipe.output_gate and scene.weight("attn_gate.weight", layer):
            gate = b.unary(b.mul_mat(scene.needed("attn_gate.weight", layer), normed))
            result = gated_result(scene, result, gate, layer)
        if recipe.inner[0]:
            result = norm(scene, recipe.norm, recipe.inner[0], result, layer)
            scene.call(result, recipe.inner[0], layer)
        plain = recipe.both or not recipe.output_biased
        result = (linear if plain else biased)(scene, "attn_output", result, layer)
        scaled = recipe.values_scaled and scene.model.header.values.get(recipe.values_scaled)
        if scaled and scaled != 1:
            result = scene.call(b.scale(result), "attn_out_scaled", layer)
        return result

    def _heads(self, normed: Tensor, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """Q, K and V by heads, normed if the model has weights for that (``build_qkv``)."""
        scene, recipe, b = self.scene, self.recipe, self.scene.b
        model, cache = scene.model, self.caches.of(layer)
        sizes = (
            ("q", cache.key_head(layer), model.heads[layer]),
            ("k", cache.key_head(layer), model.kv_heads[layer]),
            ("v", cache.value_head(layer), model.kv_heads[layer]),
        )
        product = biased if recipe.heads_biased else linear
        rows = recipe.heads in (Heads.ROW, Heads.COPIED)
        if scene.weight("attn_qkv.weight", layer):
            fused = product(scene, "attn_qkv", normed, layer)
            fused = scene.clamp(fused) if self.clamped else fused
            parts = [
                b.view(fused, (head, count, scene.tokens), (4 * head, fused.nb[1]))
                for _, head, count in sizes
            ]
            if rows:
                parts = [
                    b.cont(b.view(fused, (head * count, scene.tokens), (fused.nb[1],)))
                    for _, head, count in sizes
                ]
        else:
            parts = [product(scene, f"attn_{name}", normed, layer) for name, _, _ in sizes]
            if self.clamped:
                parts = [scene.clamp(part) for part in parts]
            if not rows:
                parts = self._by_heads(parts, sizes)
        if recipe.heads is Heads.COPIED:
            parts = self._by_heads(parts, sizes)
        norms = "attn_q_norm", "attn_k_norm"
        for place, name in enumerate(norms) if recipe.heads is not Heads.AFTER else ():
            deciding = norms[0] if recipe.heads is Heads.JOINED else name
            if scene.weight(f"{deciding}.weight", layer):
                part = parts[place]
                if recipe.heads is Heads.JOINED:
                    part = b.reshape(part, part.ne[0] * part.ne[1], scene.tokens)
                part = norm(scene, recipe.head_norm or recipe.norm, name, part, layer)
                joined = recipe.heads is Heads.JOINED
                parts[place] = b.reshape(part, *parts[place].ne) if joined else part
        if recipe.heads is Heads.ROW:
            parts = self._by_heads(parts, sizes)
        return parts[0], parts[1], parts[2]

    def _by_heads(
        self, parts: list[Tensor], sizes: tuple[tuple[str, int, int], ...]
    ) -> list[Tensor]:
        b, tokens = self.scene.b, self.scene.tokens
        return [
            b.reshape(part, head, count, tokens)
            for part, (_, head, count) in zip(parts, sizes, strict=True)
        ]

    def _factors(self, layer: int) -> Tensor | None:
        home = self.scene.homes[self.scene.matrices.blocks.get(layer, layer)]
        for name in ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"):
            if found := self.scene.matrices.each(name, home):
                return found
        return None

    def _rotates(self, layer: int) -> bool:
        scene, windows = self.scene, self.scene.model.windows
        match self.recipe.rope:
            case Rope.NONE:
                return False
            case Rope.WINDOWED:
                return windows.layers[layer]
            case Rope.WINDOWED_IF_ANY:
                return not windows.used or windows.layers[layer]
            case Rope.WINDOWED_OR_DENSE:
                dense = scene.model.header.count("leading_dense_block_count")
                return windows.layers[layer] or layer < dense
            case Rope.BEHIND_FIRST:
                near = windows.used and scene.model.trunk != self.recipe.skipped
                return not near or layer % self.recipe.skipped != 0
            case Rope.LISTED:
                listed = scene.model.header.values.get("attention.rope_pattern")
                return bool(listed[layer]) if isinstance(listed, tuple) else True
            case Rope.SKIPPED:
                return (layer + 1) % self.recipe.skipped != 0
            case Rope.BY_HEADER:
                return bool(scene.model.header.values.get("rope.scaling.finetuned", True))
            case Rope.IF_32_LAYERS:
                return scene.model.trunk == _LAYERS_7B
            case Rope.EVERY:
                finetuned = scene.model.header.values.get("rope.scaling.finetuned", True)
                return bool(finetuned) or not scene.follows(Rule.ROTATED_BY_HEADER)


def embeddings(scene: Scene, recipe: Recipe) -> Tensor:
    """Embeddings, scaled or normed."""
    header = recipe.scaled == "header" and bool(scene.model.header.values.get("embedding_scale"))
    stream = embedded(
        scene,
        scaled=header or recipe.scaled == "constant",
        scaled_rows=recipe.scaled == "rows",
        mixed=recipe.mixed,
        by_header=header,
    )
    if recipe.scaled == "always":
        stream = scene.call(scene.b.scale(stream), "inp_scaled")
    if recipe.input_norm:
        stream = norm(scene, recipe.norm, recipe.input_norm, stream, 0, of_layer=False)
        scene.call(stream, "inp_norm", 0)
    return stream

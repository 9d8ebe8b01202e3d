"""Shared caches, rows of the tokens for each layer, experts beside a feed-forward (gemma4.cpp)."""

from __future__ import annotations

from msgspec.structs import replace

from llmgen.budget.builds import Rule
from llmgen.budget.graph.attention import cached_attention
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.feedforward import experts, feed_forward
from llmgen.budget.graph.head import conclude
from llmgen.budget.graph.layer_inputs import layer_inputs, layer_rows, plane
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.shared import owner
from llmgen.budget.graph.tensor import Tensor

_CAPPED = "final_logit_softcapping"


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder with what is its own in each layer."""
    if scene.model.header.values.get(_CAPPED) == 0:
        recipe = replace(recipe, logits=())
    Gemma4(scene, recipe).run()


class Gemma4(Decoder):
    """``inputs`` are the rows for each layer, if the model has them."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Make the rows of all layers at once."""
        given = scene.weight("per_layer_token_embd.weight") is not None
        first = scene.follows(Rule.LAYER_ROWS_FIRST)
        rows = layer_rows(scene, scaled=False) if given and first else None
        super().__init__(scene, recipe)
        scene.call(self.stream, "inp_scaled")
        self.whole = scene.follows(Rule.LAST_LAYER_WHOLE)
        self.inputs = None
        if given:
            self.inputs = layer_inputs(scene, self.stream, rows or layer_rows(scene))

    def run(self) -> None:
        """All layers, then the output."""
        scene = self.scene
        for layer in scene.layers:
            self.stream = scene.end(layer, self._layer(layer))
        result = norm(scene, "RMS_NORM", "output_norm", self.stream)
        scene.give("h_nextn", scene.call(result, "h_nextn"))
        conclude(scene, self.recipe, scene.b.get_rows(result, self.rows) if self.whole else result)

    def _layer(self, layer: int) -> Tensor:
        scene, b, stream = self.scene, self.scene.b, self.stream
        normed = norm(scene, "RMS_NORM", "attn_norm", stream, layer)
        added = self._attention(scene.call(normed, "attn_norm", layer), layer)
        few = layer == scene.last and not self.whole
        if few:
            added, stream = b.get_rows(added, self.rows), b.get_rows(stream, self.rows)
        added = norm(scene, "RMS_NORM", "post_attention_norm", added, layer)
        scene.call(added, "attn_post_norm", layer)
        added = scene.call(b.add(added, stream), "attn_out", layer)
        fed = (self._routed if scene.weight("ffn_gate_inp.weight", layer) else self._plain)(
            added, layer
        )
        fed = norm(scene, "RMS_NORM", "post_ffw_norm", fed, layer)
        result = b.add(scene.call(fed, "ffn_post_norm", layer), added)
        if self.inputs is not None:
            result = self._with_input(result, self.inputs, layer, few=few)
        if scale := scene.weight("layer_output_scale.weight", layer):
            result = b.mul(result, scale)
        return scene.call(result, "l_out", layer)

    def _attention(self, normed: Tensor, layer: int) -> Tensor:
        scene, b = self.scene, self.scene.b
        model, cache, at = scene.model, self.caches.of(layer), owner(scene.model, layer)
        head, tokens = cache.key_head(layer), scene.tokens
        factors = None if model.windows.layers[layer] else self._factors(layer)
        fused = None
        if scene.weight("attn_qkv.weight", layer):
            fused = scene.call(linear(scene, "attn_qkv", normed, layer), "wqkv", layer)

        def part(name: str, heads: int) -> Tensor:
            if fused is None:
                return linear(scene, name, normed, layer)
            return b.cont(b.view(fused, (head * heads, tokens), (fused.nb[1],)))

        query = b.reshape(part("attn_q", model.heads[layer]), head, model.heads[layer], tokens)
        query = b.rope(
            norm(scene, "RMS_NORM", "attn_q_norm", query, layer), self.positions, factors
        )
        scene.call(query, "Qcur_pos", layer)
        keys = values = None
        if at == layer:
            heads = model.kv_heads[layer]
            keys = values = part("attn_k", heads)
            if fused or scene.weight("attn_v.weight", layer):
                values = part("attn_v", heads)
            keys, values = (b.reshape(of, head, heads, tokens) for of in (keys, values))
            keys = norm(scene, "RMS_NORM", "attn_k_norm", keys, layer)
            values = scene.call(b.each("RMS_NORM", values), "Vcur_normed", layer)
            keys = scene.call(b.rope(keys, self.positions, factors), "Kcur_pos", layer)
        result = cached_attention(scene, cache, query, keys, values, layer, owner=at)
        return linear(scene, "attn_output", result, layer)

    def _plain(self, added: Tensor, layer: int) -> Tensor:
        scene = self.scene
        normed = norm(scene, "RMS_NORM", "ffn_norm", added, layer)
        scene.call(normed, "ffn_norm", layer)
        return scene.call(feed_forward(scene, normed, layer, scales=True), "ffn_out", layer)

    def _routed(self, added: Tensor, layer: int) -> Tensor:
        """A feed-forward and experts; the router reads the stream in front of both norms."""
        scene, b = self.scene, self.scene.b
        beside = norm(scene, "RMS_NORM", "post_ffw_norm_1", self._plain(added, layer), layer)
        scene.call(beside, "ffn_mlp", layer)
        normed = norm(scene, "RMS_NORM", "pre_ffw_norm_2", added, layer)
        scene.call(normed, "ffn_norm_2", layer)
        rows = b.scale(b.each("RMS_NORM", added))
        rows = b.mul(rows, scene.needed("ffn_gate_inp.scale", layer))
        logits = b.mul_mat(scene.needed("ffn_gate_inp.weight", layer), rows)
        result = experts(scene, normed, layer, self.recipe.experts, logits=logits)
        result = norm(scene, "RMS_NORM", "post_ffw_norm_2", result, layer)
        scene.call(result, "ffn_moe", layer)
        return scene.call(b.add(beside, result), "ffn_moe_combined", layer)

    def _with_input(self, stream: Tensor, inputs: Tensor, layer: int, *, few: bool) -> Tensor:
        """The stream, and itself gated by the layer's rows of the tokens."""
        scene, b = self.scene, self.scene.b
        scene.call(stream, "pe_in", layer)
        gated = b.unary(linear(scene, "inp_gate", stream, layer))
        own = plane(scene, inputs)
        gated = b.mul(gated, b.get_rows(own, self.rows) if few else own)
        result = norm(scene, "RMS_NORM", "post_norm", linear(scene, "proj", gated, layer), layer)
        return b.add(stream, scene.call(result, "per_layer_embd_out", layer))

"""Layers that draft a block of tokens at once, from features of another model (dflash.cpp).

What they take of these is written into the cache by a graph of its own, which is smaller; contexts
are reserved for tokens.
"""

from __future__ import annotations

from typing import Final

from llmgen.budget.graph.attention import Extras, cached_attention
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.feedforward import feed_forward
from llmgen.budget.graph.inputs import positions
from llmgen.budget.graph.lent import lent, spread
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.special import dflash2, dspark
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.graph.weights import Undescribed

_NORM: Final = "RMS_NORM"
_STREAMS: Final = "hyper_connection.count"
_FOUR: Final = 4


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder whose logits are those of every token; one with several streams is another one."""
    if scene.model.header.count(_STREAMS):
        raise Undescribed(_STREAMS)
    DFlash(scene, recipe).run()


class DFlash(Decoder):
    """Each token of a block sees the whole block."""

    def _start(self) -> Tensor:
        """Rows of the tokens, perhaps of the other model's embedding."""
        scene, b = self.scene, self.scene.b
        # llama_model_rope_type: any section makes four positions of each token.
        self.turns_sections = scene.model.header.most("rope.dimension_sections") > 0
        self.positions = positions(scene, _FOUR if self.turns_sections else 1)
        self.tokens = b.input("inp_tokens", "i32", scene.tokens)
        stream = b.get_rows(lent(scene, "token_embd.weight"), self.tokens)
        if scene.model.header.values.get("embedding_scale"):
            stream = b.scale(stream)
        return scene.call(stream, "inp_noise_embd")

    def run(self) -> None:
        """All layers, a norm, logits, and what is made of these for the block."""
        scene, b = self.scene, self.scene.b
        for layer in scene.layers:
            self.stream = scene.end(layer, self._layer(layer))
        result = scene.call(norm(scene, _NORM, "output_norm", self.stream), "result_norm")
        scene.give("embd", result)
        logits = b.mul_mat(lent(scene, "output.weight"), result)
        if scale := scene.weight("output.scale"):
            logits = b.mul(logits, scale)
        chosen = bool(scene.weight("selector_hidden.weight"))
        logits = spread(scene, dflash2.bent(scene, logits) if chosen else logits)
        b.expand(scene.call(logits, "result_output"))
        if scene.weight("markov_w1.weight"):
            logits = dspark.biased(scene, logits, self.tokens, result)
        scene.give("logits", logits)
        if chosen:
            dflash2.select(scene, logits, self.tokens, result)

    def _layer(self, layer: int) -> Tensor:
        scene, b = self.scene, self.scene.b
        source = norm(scene, _NORM, "attn_norm", self.stream, layer)
        scene.call(source, "noise_norm", layer)
        mixed = dflash2.mixing(scene, "attn", source, layer)
        added = self._attention(mixed.before(source), layer)
        if scene.model.header.values.get("attention.value_scale"):
            added = scene.call(b.scale(added), "attn_out_scaled", layer)
        added = self._normed(mixed.behind(added), "post_attention_norm", "attn_post_norm", layer)
        added = scene.call(b.add(added, self.stream), "ffn_inp", layer)
        source = scene.call(norm(scene, _NORM, "ffn_norm", added, layer), "ffn_norm", layer)
        mixed = dflash2.mixing(scene, "ffn", source, layer)
        fed = feed_forward(scene, mixed.before(source), layer, scales=True, biases=False)
        fed = mixed.behind(scene.call(fed, "ffn_out", layer))
        result = b.add(self._normed(fed, "post_ffw_norm", "ffn_post_norm", layer), added)
        if scale := scene.weight("layer_output_scale.weight", layer):
            result = b.mul(result, scale)
        return scene.call(result, "l_out", layer)

    def _normed(self, of: Tensor, name: str, said: str, layer: int) -> Tensor:
        """A norm behind it, if the file has one."""
        if not self.scene.weight(f"{name}.weight", layer):
            return of
        return self.scene.call(norm(self.scene, _NORM, name, of, layer), said, layer)

    def _attention(self, source: Tensor, layer: int) -> Tensor:
        """Where there is no V, it is K without its weight and rotation."""
        scene, b, model = self.scene, self.scene.b, self.scene.model
        cache, tokens = self.caches.of(layer), self.scene.tokens
        head, few = cache.key_head(layer), model.kv_heads[layer]
        query, keys = (linear(scene, f"attn_{name}", source, layer) for name in "qk")
        own = bool(scene.weight("attn_v.weight", layer))
        values = linear(scene, "attn_v", source, layer) if own else keys
        values = b.reshape(values, head, few, tokens)
        query = b.reshape(query, head, model.heads[layer], tokens)
        query = norm(scene, _NORM, "attn_q_norm", query, layer)
        keys = norm(scene, _NORM, "attn_k_norm", b.reshape(keys, head, few, tokens), layer)
        values = values if own else b.each(_NORM, values)
        # The factors are those of the first layer, where that lies.
        factors = scene.matrices.each("rope_freqs.weight", scene.homes[0])
        factors = None if self.turns_sections else factors
        query, keys = (b.rope(part, self.positions, factors) for part in (query, keys))
        for part, name in ((query, "Qcur"), (keys, "Kcur"), (values, "Vcur")):
            scene.call(part, name, layer)
        extras = Extras(sinks=scene.weight("attn_sinks.weight", layer))
        result = cached_attention(scene, cache, query, keys, values, layer, extras=extras)
        return linear(scene, "attn_output", result, layer)

"""Layers that read another model's cache, and draft from its last row (gemma4-assistant.cpp).

That model's embedding is read as well; where its caches lie, this one's are taken to be.
"""

from __future__ import annotations

from llmgen.budget.graph.attention import cached_attention
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.feedforward import feed_forward
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import WEIGHT, Tensor

_NORM = "RMS_NORM"


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder without K and V of its own."""
    Assistant(scene, recipe).run()


class Assistant(Decoder):
    """Its input is as wide as two rows of the other model."""

    def _start(self) -> Tensor:
        """The token's embedding and the row, joined and made as narrow as this model is."""
        scene, b = self.scene, self.scene.b
        wide = scene.model.header.count("embedding_length_out") or scene.embedding
        tokens = b.input("inp_tokens", "i32", scene.tokens)
        given = b.input("inp_h", "f32", wide, scene.tokens)
        ne = (wide, scene.model.vocabulary, 1, 1)
        table = b.held("token_embd.weight", "f16", ne, home=scene.host, flags=WEIGHT)
        token = scene.call(b.scale(b.get_rows(table, tokens)), "inp_embd_target")
        joined = scene.call(b.concat(token, given, 0), "inp_xh")
        return scene.call(linear(scene, "nextn.pre_projection", joined), "pre_proj")

    def run(self) -> None:
        """All layers, a norm, logits, and the row for the next draft."""
        scene, b = self.scene, self.scene.b
        for layer in scene.layers:
            self.stream = scene.end(layer, self._layer(layer))
        result = scene.call(norm(scene, _NORM, "output_norm", self.stream), "result_norm")
        logits = scene.give("logits", b.mul_mat(scene.matrices.output(), result))
        scene.call(logits, "result_output")
        row = scene.give("h_nextn", linear(scene, "nextn.post_projection", result))
        b.expand(logits)
        b.expand(scene.call(row, "h_nextn"))

    def _layer(self, layer: int) -> Tensor:
        scene, b, stream = self.scene, self.scene.b, self.stream
        normed = norm(scene, _NORM, "attn_norm", stream, layer)
        added = self._attention(scene.call(normed, "attn_norm", layer), layer)
        if layer == scene.model.layers - 1:
            added, stream = b.get_rows(added, self.rows), b.get_rows(stream, self.rows)
        added = norm(scene, _NORM, "post_attention_norm", added, layer)
        added = scene.call(
            b.add(scene.call(added, "attn_post_norm", layer), stream), "attn_out", layer
        )
        normed = scene.call(norm(scene, _NORM, "ffn_norm", added, layer), "ffn_norm", layer)
        fed = scene.call(feed_forward(scene, normed, layer), "ffn_out", layer)
        fed = scene.call(norm(scene, _NORM, "post_ffw_norm", fed, layer), "ffn_post_norm", layer)
        result = b.mul(b.add(fed, added), scene.needed("layer_output_scale.weight", layer))
        return scene.call(result, "out_scaled", layer)

    def _attention(self, normed: Tensor, layer: int) -> Tensor:
        scene, b, model = self.scene, self.scene.b, self.scene.model
        cache = self.caches.of(layer)
        head = cache.key_head(layer)
        query = linear(scene, "attn_q", normed, layer)
        query = b.reshape(query, head, model.heads[layer], scene.tokens)
        query = norm(scene, _NORM, "attn_q_norm", query, layer)
        factors = None if model.windows.layers[layer] else self._factors(layer)
        query = scene.call(b.rope(query, self.positions, factors), "Qcur_pos", layer)
        result = cached_attention(scene, cache, query, None, None, layer)
        return linear(scene, "attn_output", result, layer)

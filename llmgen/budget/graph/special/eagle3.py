"""One layer behind a model's own: it drafts from three of that one's layers (eagle3.cpp).

What it encodes of them first has a graph of its own, which is smaller.
"""

from __future__ import annotations

from llmgen.budget.graph.attention import cached_attention
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.feedforward import feed_forward
from llmgen.budget.graph.lent import lent, spread
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor

_NORM = "RMS_NORM"


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder of one layer, whose logits are those of every token."""
    Eagle3(scene, recipe).run()


class Eagle3(Decoder):
    """Reads the token's embedding beside a row of the model that it drafts for."""

    def _start(self) -> Tensor:
        """The row of the other model; ``token`` is the embedding, perhaps that model's own."""
        scene, b = self.scene, self.scene.b
        tokens = b.input("inp_tokens", "i32", scene.tokens)
        given = b.input("inp_g_embeddings", "f32", scene.embedding, scene.tokens)
        self.token = scene.call(b.get_rows(lent(scene, "token_embd.weight"), tokens), "inp_embd")
        return given

    def run(self) -> None:
        """The layer, a norm, logits, and the places of a smaller vocabulary in the whole one."""
        scene, b = self.scene, self.scene.b
        result = scene.give("h_nextn", scene.end(0, self._layer(0)))
        result = scene.call(norm(scene, _NORM, "output_norm", result), "result_norm")
        result = spread(scene, b.mul_mat(lent(scene, "output.weight"), result))
        scene.give("logits", scene.call(result, "result_output"))
        b.expand(result)

    def _layer(self, layer: int) -> Tensor:
        scene, b, cache = self.scene, self.scene.b, self.caches.of(layer)
        model, head, tokens = scene.model, cache.key_head(layer), scene.tokens
        token = norm(scene, _NORM, "attn_norm", self.token, layer)
        row = norm(scene, _NORM, "attn_norm_2", self.stream, layer)
        scene.call(token, "embd_norm", layer)
        scene.call(row, "g_norm", layer)
        stream = row if model.header.values.get("norm_before_residual") else self.stream
        joined = scene.call(b.concat(token, row, 0), "concat_embd", layer)
        heads = {"q": model.heads[layer], "k": model.kv_heads[layer], "v": model.kv_heads[layer]}
        query, keys, values = (
            b.reshape(linear(scene, f"attn_{name}", joined, layer), head, count, tokens)
            for name, count in heads.items()
        )
        factors = self._factors(layer)
        query = scene.call(b.rope(query, self.positions, factors), "Qcur_rope", layer)
        keys = scene.call(b.rope(keys, self.positions, factors), "Kcur_rope", layer)
        added = cached_attention(scene, cache, query, keys, values, layer)
        added = b.add(linear(scene, "attn_output", added, layer), stream)
        normed = norm(scene, _NORM, "ffn_norm", scene.call(added, "ffn_inp", layer), layer)
        fed = feed_forward(scene, scene.call(normed, "post_attn_norm", layer), layer)
        return scene.call(b.add(scene.call(fed, "ffn_out", layer), added), "eagle3_prenorm", layer)

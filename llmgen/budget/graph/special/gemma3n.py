"""Several streams of which one is computed, the others predicted and corrected (gemma3n.cpp)."""

from __future__ import annotations

from llmgen.budget.graph.attention import cached_attention
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.head import conclude
from llmgen.budget.graph.layer_inputs import layer_inputs, layer_rows, plane
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.shared import owner
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """Streams side by side from the input to the output."""
    Streams(scene, recipe).run()


class Streams(Decoder):
    """``stream`` is [elements, tokens, streams]; the first one is active."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Widen the input."""
        super().__init__(scene, recipe)
        b, first = scene.b, self.stream
        scene.call(first, "inp_scaled")
        self.inputs = layer_inputs(scene, first, layer_rows(scene))
        matrix = scene.needed("altup_proj.weight")
        self.count = matrix.ne[2] + 1
        length = self._length(first)
        repeated = b.repeat(first, scene.embedding, scene.tokens, matrix.ne[2], 1)
        others = b.mul_mat(matrix, repeated)
        others = b.each("DIV", b.mul(others, length), self._length(others))
        self.stream = scene.call(b.concat(first, others, 2), "inp_stacked")

    def run(self) -> None:
        """All layers, then one stream again."""
        scene = self.scene
        for layer in scene.layers:
            self.stream = scene.end(layer, self._layer(layer))
        merged = scene.b.get_rows(self._merged(), self.rows)
        conclude(scene, self.recipe, norm(scene, "RMS_NORM", "output_norm", merged))

    def _layer(self, layer: int) -> Tensor:
        scene, b = self.scene, self.scene.b
        predicted = self._predicted(self.stream, layer)
        active = scene.call(plane(scene, predicted), "active_prediction", layer)
        normed = norm(scene, "RMS_NORM", "attn_norm", active, layer)
        scene.call(normed, "attn_norm", layer)
        beside = self._laurel(normed, layer)
        added = self._attention(normed, layer)
        added = norm(scene, "RMS_NORM", "post_attention_norm", added, layer)
        scene.call(added, "attn_post_norm", layer)
        added = scene.call(b.add(added, active), "attn_gated", layer)
        added = scene.call(b.scale(b.add(added, beside)), "attn_laurel", layer)
        fed = norm(scene, "RMS_NORM", "ffn_norm", added, layer)
        fed = self._sparse_feed(scene.call(fed, "ffn_norm", layer), layer)
        fed = norm(scene, "RMS_NORM", "post_ffw_norm", fed, layer)
        scene.call(fed, "ffn_post_norm", layer)
        activated = scene.call(b.add(fed, added), "attn_ffw_laurel_gated", layer)
        corrected = self._corrected(predicted, activated, layer)
        more = self._layer_input(corrected, layer)
        rest = b.add(self._others(corrected), more)
        result = b.concat(plane(scene, corrected), rest, 2)
        return scene.call(result, "l_out", layer)

    def _attention(self, normed: Tensor, layer: int) -> Tensor:
        scene, b, model = self.scene, self.scene.b, self.scene.model
        cache, at = self.caches.of(layer), owner(self.scene.model, layer)
        keys = values = None
        if at == layer:
            query, keys, values = self._heads(normed, layer)
            values = scene.call(b.each("RMS_NORM", values), "Vcur_normed", layer)
            query, keys = b.rope(query, self.positions), b.rope(keys, self.positions)
            scene.call(keys, "Kcur_pos", layer)
        else:
            head, heads = cache.key_head(layer), model.heads[layer]
            if scene.weight("attn_qkv.weight", layer):
                both = linear(scene, "attn_qkv", normed, layer)
                query = b.cont(b.view(both, (head * heads, scene.tokens), (both.nb[1],)))
            else:
                query = linear(scene, "attn_q", normed, layer)
            query = b.reshape(query, head, heads, scene.tokens)
            query = norm(scene, "RMS_NORM", "attn_q_norm", query, layer)
            query = b.rope(scene.call(query, "Qcur_normed", layer), self.positions)
        scene.call(query, "Qcur_pos", layer)
        result = cached_attention(scene, cache, query, keys, values, layer, owner=at)
        return linear(scene, "attn_output", result, layer)

    def _laurel(self, of: Tensor, layer: int) -> Tensor:
        """A short cut of low rank."""
        scene, b = self.scene, self.scene.b
        result = linear(scene, "laurel_r", linear(scene, "laurel_l", of, layer), layer)
        result = norm(scene, "RMS_NORM", "laurel_post_norm", result, layer)
        return scene.call(b.add(result, of), "laurel_out", layer)

    def _sparse_feed(self, of: Tensor, layer: int) -> Tensor:
        """A feed-forward whose gate keeps its largest elements in the first layers."""
        scene, b = self.scene, self.scene.b
        up, gate = linear(scene, "ffn_up", of, layer), linear(scene, "ffn_gate", of, layer)
        if layer < self.recipe.sparse:
            mean = b.made("MEAN", gate.kind, (1, *gate.ne[1:]), gate)
            spread = b.sum_rows(b.each("SQR", b.each("SUB", gate, mean)))
            spread = b.each("SQRT", b.scale(spread))
            gate = b.unary(b.each("SUB", gate, b.add(mean, b.scale(spread))))
        result = linear(scene, "ffn_down", b.mul(up, b.unary(gate)), layer)
        return scene.call(result, "ffn_out", layer)

    def _routed(self, of: Tensor, layer: int) -> Tensor:
        """How much of each stream a token takes (``altup_compute_router_modalities``)."""
        scene, b = self.scene, self.scene.b
        rows = b.scale(norm(scene, "RMS_NORM", "altup_router_norm", of, layer))
        result = b.unary(b.mul_mat(scene.needed("altup_router.weight", layer), rows))
        return scene.call(result, "modalities", layer)

    def _predicted(self, streams: Tensor, layer: int) -> Tensor:
        scene, b, count = self.scene, self.scene.b, self.count
        modalities = self._routed(plane(scene, streams), layer)
        shares = linear(scene, "altup_predict_coef", modalities, layer)
        scene.call(shares, "all_coefs", layer)
        shares = b.reshape(shares, count, count, scene.tokens)
        result = b.mul_mat(b.cont(b.permute(streams, 1, 2, 0, 3)), shares)
        result = b.cont(b.permute(result, 0, 2, 1, 3))
        return scene.call(b.add(result, streams), "predictions", layer)

    def _corrected(self, predicted: Tensor, activated: Tensor, layer: int) -> Tensor:
        scene, b = self.scene, self.scene.b
        ne = (scene.tokens, self.count)
        modalities = self._routed(activated, layer)
        news = b.each("SUB", activated, plane(scene, predicted))
        scene.call(news, "innovation", layer)
        shares = b.scale(linear(scene, "altup_correct_coef", modalities, layer))
        scene.call(shares, "all_coefs", layer)
        shares = b.cont(b.transpose(shares), 1, *ne)
        news = b.repeat(news, scene.embedding, *ne, 1)
        return scene.call(b.add(b.mul(news, shares), predicted), "corrected", layer)

    def _layer_input(self, corrected: Tensor, layer: int) -> Tensor:
        """The active stream, gated by the layer's own rows of the tokens."""
        scene, b = self.scene, self.scene.b
        first = b.mul(plane(scene, corrected), scene.needed("altup_correct_scale.weight", layer))
        first = b.unary(linear(scene, "inp_gate", first, layer))
        scene.call(first, "first_prediction_gated", layer)
        first = scene.call(
            b.mul(first, plane(scene, self.inputs)), "first_prediction_scaled", layer
        )
        first = norm(scene, "RMS_NORM", "post_norm", linear(scene, "proj", first, layer), layer)
        return scene.call(first, "first_prediction_out", layer)

    def _others(self, streams: Tensor) -> Tensor:
        """All streams but the active one."""
        ne = (*streams.ne[:2], self.count - 1)
        return self.scene.b.view(streams, ne, streams.nb[1:3])

    def _merged(self) -> Tensor:
        """The mean of all streams, each as long as the active one."""
        scene, b, streams = self.scene, self.scene.b, self.stream
        length = self._length(plane(scene, streams))
        others = b.mul_mat(scene.needed("altup_unembd_proj.weight"), self._others(streams))
        others = b.each("DIV", b.mul(others, length), self._length(others))
        scene.call(others, "altup_unembd")
        result = plane(scene, streams)
        for _ in range(self.count - 1):
            result = b.add(result, plane(scene, others))
        return scene.call(b.scale(result), "unembd_merged")

    def _length(self, of: Tensor) -> Tensor:
        b = self.scene.b
        return b.each("SQRT", b.sum_rows(b.each("SQR", of)))

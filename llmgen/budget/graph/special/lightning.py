"""Linear attention that fades with distance, and residuals of normed rows (``minimax-01.cpp``)."""

from __future__ import annotations

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.feedforward import experts
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """A hybrid: most layers have a state of each head's keys times values."""
    Lightning(scene, recipe).run()


class Lightning(Decoder):
    """``decays`` are those of queries, of keys, and of each pair of tokens of a slot."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """How fast heads fade, and how far tokens of a slot are apart, are inputs."""
        super().__init__(scene, recipe)
        b, heads, each = scene.b, max(scene.model.heads), self.states.each
        self.slopes = b.input("slopes", "f32", heads)
        near = (1, heads, each, scene.slots)
        self.decays = (
            b.input("q_decay_exp", "f32", *near),
            b.input("k_decay_exp", "f32", *near),
            b.input("diag_decay_exp", "f32", each, each, heads, scene.slots),
        )

    def _layer(self, layer: int) -> Tensor:
        scene, b, recipe = self.scene, self.scene.b, self.recipe
        residual = norm(scene, recipe.norm, "attn_norm", self.stream, layer)
        scene.call(residual, "attn_norm", layer)
        recurs = scene.model.recurrent[layer]
        added = (self._fading if recurs else self._attention)(residual, layer)
        if layer == scene.last:
            added, residual = b.get_rows(added, self.rows), b.get_rows(residual, self.rows)
        residual = scene.call(b.scale(residual), "residual_scaled_attn", layer)
        stream = scene.call(b.add(added, residual), "ffn_inp", layer)
        normed = norm(scene, recipe.norm, "ffn_norm", stream, layer)
        result = experts(scene, scene.call(normed, "ffn_norm", layer), layer, recipe.experts)
        residual = scene.call(b.scale(normed), "residual_scaled_ffn", layer)
        return scene.call(b.add(result, residual), "l_out", layer)

    def _fading(self, normed: Tensor, layer: int) -> Tensor:
        scene, b, model = self.scene, self.scene.b, self.scene.model
        head, heads, each, slots = (
            model.key_length,
            model.heads[layer],
            self.states.each,
            scene.slots,
        )
        self.states.load("r", layer)
        rate = scene.call(b.scale(self.slopes), "slope_rate", layer)
        rows = b.reshape(normed, normed.ne[0], each, 1, slots)
        fused = b.unary(b.mul_mat(scene.needed("attn_qkv.weight", layer), rows))
        fused = b.reshape(scene.call(fused, "QKVcur_silu", layer), 3 * head, heads, each, slots)
        query, keys, values = (
            b.view(fused, (head, heads, each, slots), fused.nb[1:]) for _ in "qkv"
        )
        state = b.reshape(self.states.load("s", layer), head, head, heads, slots)
        result = self._mixed_heads((query, keys, values), state, rate, layer)
        result = b.cont(b.permute(result, 0, 2, 1, 3))
        result = b.reshape(result, head * heads, each, 1, slots)
        result = norm(scene, self.recipe.norm, "attn_norm_2", result, layer)
        gate = b.unary(b.mul_mat(scene.needed("attn_gate.weight", layer), rows))
        result = b.mul(scene.call(gate, "g_sigm", layer), result)
        result = b.mul_mat(scene.needed("attn_output.weight", layer), result)
        return scene.call(b.reshape(result, result.ne[0], scene.tokens), "attn_out", layer)

    def _mixed_heads(
        self, parts: tuple[Tensor, Tensor, Tensor], state: Tensor, rate: Tensor, layer: int
    ) -> Tensor:
        """What queries find in the state and in their own batch; the state is written back."""
        b, (query, keys, values) = self.scene.b, parts
        for_query, for_keys, for_pairs = (b.unary(b.scale(decay)) for decay in self.decays)
        before = b.mul_mat(state, b.permute(b.mul(query, for_query), 0, 2, 1, 3))
        scores = b.mul_mat(b.permute(keys, 0, 2, 1, 3), b.permute(query, 0, 2, 1, 3))
        scores = self.scene.call(b.mul(scores, for_pairs), "qk_s", layer)
        columns = b.cont(b.permute(values, 1, 2, 0, 3))
        result = b.expand(b.add(before, b.mul_mat(columns, scores)))
        kept = b.mul(state, b.reshape(b.unary(b.scale(rate)), 1, 1, rate.ne[0]))
        late = b.cont(b.permute(b.mul(keys, for_keys), 1, 2, 0, 3))
        new = self.scene.call(b.add(kept, b.mul_mat(late, columns)), "kv_new", layer)
        held = self.states.all("s", layer)
        b.expand(b.copy(new, b.view(held, (held.ne[0] * self.scene.slots,), ())))
        return self.scene.call(result, "qkv", layer)

"""Delta attention with convolutions of Q, K and V, and latent layers (Kimi Linear, Ling 3)."""

from __future__ import annotations

from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.mixers.convolution import convolved
from llmgen.budget.graph.mixers.delta_net import delta_rule, lengthened
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.special.latent import Latent
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """A hybrid: layers without KV heads have delta attention."""
    Kimi(scene, recipe).run()


class Kimi(Latent):
    """``head`` elements of a head of delta attention."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Read its head size."""
        super().__init__(scene, recipe)
        self.head, self.heads = scene.model.header.needed("kda.head_dim"), max(scene.model.heads)
        self.by_slots = (self.head, self.heads, self.states.each, scene.slots)

    def _mixed(self, source: Tensor, layer: int) -> Tensor:
        recurs = self.scene.model.recurrent[layer]
        return self._delta(source, layer) if recurs else self._attention(source, layer)

    def _product(self, name: str, of: Tensor, layer: int) -> Tensor:
        return self.scene.b.mul_mat(self.scene.needed(f"{name}.weight", layer), of)

    def _delta(self, normed: Tensor, layer: int) -> Tensor:
        scene, b, states = self.scene, self.scene.b, self.states
        before = states.load("r", layer)
        fused = None
        if scene.weight("attn_qkv.weight", layer):
            fused = self._product("attn_qkv", normed, layer)
        query, keys, values = (
            self._convolved(name, normed, fused, before, layer) for name in "qkv"
        )
        decay = b.reshape(self._decay(normed, layer), *self.by_slots)
        strength = self._product("ssm_beta", normed, layer)
        strength = b.unary(b.reshape(strength, 1, *self.by_slots[1:]))
        state = b.reshape(states.load("s", layer), self.head, self.head, self.heads, scene.slots)
        query, keys = (lengthened(scene, part) for part in (query, keys))
        result = delta_rule(scene, states, (query, keys, values, decay, strength, state), layer)
        return self._gated(b.cont(result), normed, layer)

    def _decay(self, normed: Tensor, layer: int) -> Tensor:
        """How much of each element of a key's state is kept."""
        scene, b = self.scene, self.scene.b
        rank = b.reshape(scene.needed("ssm_a", layer), 1, self.heads)
        decay = self._product("ssm_f_a", normed, layer)
        if scene.weight("ssm_f_b.weight", layer):
            decay = self._product("ssm_f_b", decay, layer)
            decay = b.unary(b.add(decay, scene.needed("ssm_dt.bias", layer)))
            decay = b.mul(b.reshape(decay, self.head, self.heads, scene.tokens), rank)
        else:  # bounded from below
            decay = b.add(decay, scene.needed("ssm_dt.bias", layer))
            decay = b.mul(b.reshape(decay, self.head, self.heads, scene.tokens), rank)
            decay = b.scale(b.unary(decay))
        return scene.call(decay, "kda_g1", layer)

    def _latent_out(self, result: Tensor, normed: Tensor, layer: int) -> Tensor:
        """A gate for each head in front of the last product, if the model has one."""
        scene, b = self.scene, self.scene.b
        if not scene.weight("attn_gate.weight", layer):
            return super()._latent_out(result, normed, layer)
        gate = self._product("attn_gate", normed, layer)
        gate = b.unary(b.reshape(gate, 1, self.heads, scene.tokens))
        result = b.mul(b.reshape(result, result.ne[0] // self.heads, *gate.ne[1:3]), gate)
        result = b.cont(result, result.ne[0] * self.heads, scene.tokens)
        return scene.call(self._product("attn_output", result, layer), "mla_out", layer)

    def _gated(self, of: Tensor, normed: Tensor, layer: int) -> Tensor:
        scene, b = self.scene, self.scene.b
        whole = scene.weight("ssm_g.weight", layer)
        gate = self._product("ssm_g" if whole else "ssm_g_a", normed, layer)
        if not whole and scene.weight("ssm_g_b.weight", layer):
            gate = self._product("ssm_g_b", gate, layer)
        gate = b.reshape(gate, self.head, self.heads, scene.tokens)
        result = b.reshape(of, self.head, self.heads, scene.tokens)
        result = norm(scene, "RMS_NORM", "ssm_norm", result, layer)
        scene.call(result, "kda_normed", layer)
        result = b.cont(b.mul(result, b.unary(gate)), self.head * self.heads, scene.tokens)
        return scene.call(self._product("attn_output", result, layer), "kda_out", layer)

    def _convolved(
        self, name: str, normed: Tensor, fused: Tensor | None, before: Tensor, layer: int
    ) -> Tensor:
        """Q, K or V of all tokens; the last columns are kept for the next batch."""
        scene, b, states = self.scene, self.scene.b, self.states
        inner = self.head * self.heads
        kernel = scene.needed(f"ssm_conv1d_{name}.weight", layer)
        if fused is None:
            rows = self._product(f"attn_{name}", normed, layer)
        else:
            rows = b.cont(b.view(fused, (inner, scene.tokens), (fused.nb[1],)))
        columns = b.transpose(b.reshape(rows, inner, states.each, scene.slots))
        held = kernel.ne[0] - 1
        mine = b.view(before, (held, inner, scene.slots), (4 * held, before.nb[1]))
        wide = b.concat(mine, columns, 0)
        for _ in range(scene.kept):
            states.store("r", layer, b.view(wide, (held, inner, scene.slots), wide.nb[1:3]))
        kernel = b.reshape(kernel, kernel.ne[0], inner)
        result = b.unary(b.reshape(convolved(scene, wide, kernel), inner, scene.tokens))
        return b.reshape(result, *self.by_slots)

"""Delta attention that keeps at least a share of its state, if the header says which one."""

from __future__ import annotations

from llmgen.budget.graph.special.kimi import Kimi
from llmgen.budget.graph.tensor import Tensor


class Bounded(Kimi):
    """Decay has two products, with or without a bound (kimi-k3.cpp, glm5-next.cpp)."""

    def _decay(self, normed: Tensor, layer: int) -> Tensor:
        scene, b = self.scene, self.scene.b
        rank = b.reshape(scene.needed("ssm_a", layer), 1, self.heads, 1)
        decay = self._product("ssm_f_b", self._product("ssm_f_a", normed, layer), layer)
        decay = b.add(decay, scene.needed("ssm_dt.bias", layer))
        bounded = scene.model.header.values.get("kda.gate_lower_bound") is not None
        decay = decay if bounded else b.unary(decay)
        decay = b.mul(b.reshape(decay, self.head, self.heads, scene.tokens), rank)
        decay = b.scale(b.unary(b.scale(decay))) if bounded else decay
        return scene.call(decay, "kda_g1", layer)

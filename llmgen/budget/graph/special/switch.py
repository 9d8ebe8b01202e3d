"""Adapters that tokens switch on, chosen by a head of attention (``granite-switch.cpp``)."""

from __future__ import annotations

from llmgen.budget.graph.attention import cached_attention
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder whose products get those of an adapter added."""
    Switch(scene, recipe).run()


class Switch(Decoder):
    """``ids`` has the adapter of each token."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """The router runs before everything else; its cache is that of a layer behind the trunk."""
        super().__init__(scene, recipe)
        b, router = scene.b, scene.model.trunk
        query, keys, values = map(self._lane, ("router_q", "router_ksig", "router_vval"))
        routed = cached_attention(scene, self.caches.full, query, keys, values, router)
        scene.call(routed, "router_out", router)
        slots = b.cont(b.view(routed, (1, scene.tokens), (routed.nb[1],)))
        slots = b.unary(b.each("CLAMP", b.reshape(slots, scene.tokens)))
        self.ids = scene.call(b.cast(slots, "i32"), "adapter_ids")

    def _start(self) -> Tensor:
        """Rows of the tokens that stand for those of adapters."""
        scene, b = self.scene, self.scene.b
        tokens = b.input("sub_tokens", "i32", scene.tokens)
        stream = b.get_rows(scene.needed("token_embd.weight"), tokens)
        scaled = scene.model.header.values.get("embedding_scale")
        return scene.call(b.scale(stream) if scaled else stream, "inp_embd")

    def _lane(self, name: str) -> Tensor:
        """A head in whose first element a signal is."""
        b, tokens = self.scene.b, self.scene.tokens
        signal = b.reshape(b.input(name, "f32", tokens), 1, 1, tokens)
        return b.pad(signal, self.scene.model.key_length - 1)

    def _layer(self, layer: int) -> Tensor:
        scene, b, stream = self.scene, self.scene.b, self.stream
        normed = norm(scene, self.recipe.norm, "attn_norm", stream, layer)
        added = self._attention(scene.call(normed, "attn_norm", layer), layer)
        if layer == scene.last:
            added, stream = b.get_rows(added, self.rows), b.get_rows(stream, self.rows)
            ids = b.get_rows(b.reshape(self.ids, 1, scene.tokens), self.rows)
            self.ids = b.reshape(ids, scene.outputs)
        stream = b.add(b.scale(added) if self.scaled else added, stream)
        scene.call(stream, "ffn_inp", layer)
        normed = norm(scene, self.recipe.norm, "ffn_norm", stream, layer)
        scene.call(normed, "ffn_norm", layer)
        gate, up = (self._both(f"ffn_{name}", normed, layer) for name in ("gate", "up"))
        result = self._both("ffn_down", b.mul(b.unary(gate), up), layer)
        scene.call(result, "ffn_out", layer)
        return b.add(b.scale(result) if self.scaled else result, stream)

    def _attention(self, normed: Tensor, layer: int) -> Tensor:
        scene, b, model = self.scene, self.scene.b, self.scene.model
        head, near = model.key_length, self._rotates(layer)
        fused = b.mul_mat(scene.needed("attn_qkv.weight", layer), normed)
        heads = []
        kv = model.kv_heads[layer]
        for name, count in (("q", model.heads[layer]), ("k", kv), ("v", kv)):
            part = b.cont(b.view(fused, (head * count, scene.tokens), (fused.nb[1],)))
            part = b.add(part, self._delta(f"attn_{name}", normed, layer))
            part = b.reshape(part, head, count, scene.tokens)
            rotated = near and name != "v"
            part = b.rope(part, self.positions, self._factors(layer)) if rotated else part
            heads.append(scene.call(part, f"{name.upper()}cur", layer))
        query, keys, values = heads
        result = cached_attention(scene, self.caches.full, query, keys, values, layer)
        return scene.call(self._both("attn_output", result, layer), "attn_out", layer)

    def _both(self, name: str, of: Tensor, layer: int) -> Tensor:
        """A product, and the adapter's."""
        b = self.scene.b
        result = b.mul_mat(self.scene.needed(f"{name}.weight", layer), of)
        return b.add(result, self._delta(name, of, layer))

    def _delta(self, name: str, of: Tensor, layer: int) -> Tensor:
        scene, b, count = self.scene, self.scene.b, of.ne[1]
        first, second = (scene.needed(f"{name}.lora_{part}", layer) for part in "ab")
        ids = b.reshape(self.ids, 1, count)
        inner = b.mul_mat_id(first, b.reshape(of, of.ne[0], 1, count), ids)
        result = b.mul_mat_id(second, inner, ids)
        return b.reshape(result, result.ne[0], count)

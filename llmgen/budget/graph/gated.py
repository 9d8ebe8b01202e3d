"""Attention whose output passes a gate: a half of its queries, or a product of its own."""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.graph.linear import biased, norm
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor

_F32 = 4


def gated_heads(scene: Scene, of: Tensor, layer: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Q, K, V by heads, Q and K normed, and the gate (``build_layer_attn``)."""
    b, model, tokens = scene.b, scene.model, scene.tokens
    head, heads, kv = model.key_length, model.heads[layer], model.kv_heads[layer]
    if scene.weight("attn_qkv.weight", layer):
        fused = biased(scene, "attn_qkv", of, layer)
        both, keys, values = (
            b.cont(b.view(fused, (head * count, tokens), (fused.nb[1],)))
            for count in (2 * heads, kv, kv)
        )
    else:
        both, keys, values = (biased(scene, f"attn_{part}", of, layer) for part in ("q", "k", "v"))
    ne, nb = (head, heads, tokens), (2 * _F32 * head, 2 * _F32 * head * heads)
    query = norm(scene, "RMS_NORM", "attn_q_norm", b.view(both, ne, nb), layer)
    keys = norm(scene, "RMS_NORM", "attn_k_norm", b.reshape(keys, head, kv, tokens), layer)
    gate = b.cont(b.view(both, ne, nb), head * heads, tokens)
    return query, keys, b.reshape(values, head, kv, tokens), gate


def opened(scene: Scene, gate: Tensor) -> Tensor:
    """How much of each element passes."""
    b, found = scene.b, scene.b.unary(gate)
    return b.reshape(found, *found.ne) if scene.follows(Rule.GATE_RESHAPED) else found


def gated_result(scene: Scene, result: Tensor, gate: Tensor, layer: int) -> Tensor:
    """Rows of all heads times a gate that has an element for each head, or for each element."""
    b, heads, tokens = scene.b, scene.model.heads[layer], result.ne[1]
    if gate.ne[0] != heads:
        return scene.call(b.mul(result, gate), "attn_gated", layer)
    width = result.ne[0]
    result = b.reshape(result, width // heads, heads, tokens)
    result = b.mul(result, b.reshape(gate, 1, heads, tokens))
    return scene.call(b.reshape(result, width, tokens), "attn_gated", layer)

"""Gated delta nets of Qwen3-Next and Qwen3.5 (qwen3next.cpp, qwen35.cpp, delta-net-base.cpp)."""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.mixers.convolution import convolved, joined, remembered
from llmgen.budget.graph.mixers.state_space import Sizes
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.states import States
from llmgen.budget.graph.tensor import Tensor

_F32 = 4


def delta_rule(
    scene: Scene,
    states: States,
    parts: tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor],
    layer: int,
) -> Tensor:
    """Outputs of all tokens, behind them the states, which are written back; one operation.

    ``parts`` are queries, keys, values, how much is kept, how strongly is written, and the states.
    """
    b, values = scene.b, parts[2]
    head, heads, each, slots = values.ne
    ne = (head * heads, each * slots + head * slots * scene.kept)
    both = b.made("GATED_DELTA_NET", "f32", ne, *parts)
    both.layer = layer
    row = _F32 * head * heads
    result = b.view(both, values.ne, (_F32 * head, row, row * each))
    ne4 = (head, head, heads, slots)
    left = b.view(both, ne4, (_F32 * head, _F32 * head * head, _F32 * head * head * heads))
    states.store("s", layer, left)
    return scene.call(result, "attn_output", layer)


def lengthened(scene: Scene, of: Tensor) -> Tensor:
    """Rows of length one (``build_gdn_l2_norm``)."""
    if scene.follows(Rule.L2_NORM):
        return scene.b.each("L2_NORM", of)
    return scene.b.scale(scene.b.each("RMS_NORM", of))


def delta_net(
    scene: Scene, states: States, of: Tensor, layer: int, *, paired: bool, copied: bool = False
) -> Tensor:
    """``paired`` has beta and alpha in one product, and repeats keys for the heads of values.

    With ``copied``, the columns that are kept are copied first.
    """
    b, size = scene.b, Sizes(scene)
    tokens, head = (size.each, size.slots), size.inner // size.rank
    mixed = linear(scene, "attn_qkv", of, layer)
    mixed = b.reshape(mixed, mixed.ne[0], *tokens)
    scene.call(mixed, "linear_attn_qkv_mixed", layer)
    through = scene.call(linear(scene, "attn_gate", of, layer), "z", layer)
    strength, alpha = (_paired if paired else _single)(scene, of, layer)
    alpha = b.unary(b.add(alpha, scene.needed("ssm_dt.bias", layer)))
    scene.call(alpha, "a_softplus", layer)
    gate = scene.call(b.mul(alpha, scene.needed("ssm_a", layer)), "gate", layer)
    if paired:
        strength = b.reshape(strength, 1, size.rank, *tokens)
    gate = b.reshape(gate, 1, size.rank, *tokens)
    before = remembered(scene, states, layer, mixed.ne[0])
    wide = joined(scene, states, before, b.transpose(mixed), layer, copied=copied)
    state = b.reshape(states.load("s", layer), head, head, size.rank, size.slots)
    mixed = b.unary(convolved(scene, wide, scene.needed("ssm_conv1d.weight", layer)))
    scene.call(mixed, "conv_output_silu", layer)
    parts = _heads(scene, mixed, size, head, repeated=paired)
    result = delta_rule(scene, states, (*parts, gate, strength, state), layer)
    through = b.reshape(through, head, size.rank, *tokens)
    result = b.mul(norm(scene, "RMS_NORM", "ssm_norm", result, layer), b.unary(through))
    result = b.reshape(result, size.inner, *tokens)
    result = scene.call(linear(scene, "ssm_out", result, layer), "linear_attn_out", layer)
    return b.reshape(result, scene.embedding, scene.tokens)


def _single(scene: Scene, of: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """How strongly each token writes, and how much it forgets: a product each."""
    b, size = scene.b, Sizes(scene)
    strength = linear(scene, "ssm_beta", of, layer)
    strength = b.unary(b.reshape(strength, 1, size.rank, size.each, size.slots))
    alpha = linear(scene, "ssm_alpha", of, layer)
    return strength, b.reshape(alpha, size.rank, size.each, size.slots)


def _paired(scene: Scene, of: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """The same from one product, group by group."""
    b, size = scene.b, Sizes(scene)
    both = linear(scene, "ssm_ba", of, layer)
    each, tokens = size.rank // size.groups, (size.each, size.slots)
    both = b.reshape(both, 2 * each, size.groups, *tokens)
    ne = (each, size.groups, *tokens)
    strength, alpha = b.view(both, ne, both.nb[1:4]), b.view(both, ne, both.nb[1:4])
    if scene.follows(Rule.STRENGTHS_COPIED):
        strength = b.cont(strength)
    return b.unary(strength), b.cont(alpha, size.rank, *tokens)


def _heads(
    scene: Scene, mixed: Tensor, size: Sizes, head: int, *, repeated: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Q, K (normed, and repeated for the heads of V where the program does so) and V."""
    b, tokens = scene.b, (size.each, size.slots)
    row = mixed.nb[1]
    nb = (_F32 * size.state, row, row * size.each)
    query, keys = (b.view(mixed, (size.state, size.groups, *tokens), nb) for _ in range(2))
    values = b.view(mixed, (head, size.rank, *tokens), (_F32 * head, row, row * size.each))
    query, keys = (lengthened(scene, part) for part in (query, keys))
    if repeated and size.groups != size.rank:
        times, every = size.rank // size.groups, scene.tokens
        query, keys = (
            b.reshape(
                b.repeat(
                    b.reshape(part, size.state, 1, size.groups, every),
                    *(size.state, times, size.groups, every),
                ),
                *(size.state, size.rank, *tokens),
            )
            for part in (query, keys)
        )
    return query, keys, values

"""Time and channel mixes of RWKV 6 and 7 (``src/models/rwkv6-base.cpp``, ``rwkv7-base.cpp``)."""

from __future__ import annotations

from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.states import States
from llmgen.budget.graph.tensor import Tensor

_PARTS = 5


class Mix:
    """Products and sums of one layer, by names of its weights."""

    def __init__(self, scene: Scene, states: States, layer: int) -> None:
        """``head`` elements for each of ``heads``."""
        self.scene, self.b, self.states, self.layer = scene, scene.b, states, layer
        self.head = scene.model.header.needed("wkv.head_size")
        self.heads = scene.embedding // self.head
        self.tokens = scene.tokens

    def weight(self, name: str) -> Tensor:
        """A matrix or a vector."""
        return self.scene.needed(f"{name}.weight", self.layer)

    def product(self, name: str, of: Tensor) -> Tensor:
        """A product without a scale."""
        return self.b.mul_mat(self.weight(name), of)

    def biased(self, name: str, of: Tensor) -> Tensor:
        """The same, and the bias if there is one."""
        bias = self.scene.weight(f"{name}.bias", self.layer)
        result = self.product(name, of)
        return self.b.add(result, bias) if bias else result

    def between(self, name: str, before: Tensor, of: Tensor) -> Tensor:
        """Somewhere between a token and the one before."""
        return self.b.add(self.b.mul(before, self.weight(name)), of)

    def by_heads(self, of: Tensor) -> Tensor:
        """The heads of each token."""
        return self.b.reshape(of, self.head, self.heads, self.tokens)

    def parts(self, of: Tensor, count: int) -> list[Tensor]:
        """Matrices that lie behind one another."""
        ne, nb = (self.scene.embedding, self.tokens), (of.nb[1],)
        return [self.b.view(of, ne, nb) for _ in range(count)]

    def mixed(self, op: str, *sources: Tensor) -> Tensor:
        """Outputs of all tokens; the states behind them are written back."""
        b, width = self.b, self.scene.embedding
        state = self.states.load("s", self.layer)
        ne = (width, self.tokens + self.head * self.scene.slots)
        result = b.made(op, "f32", ne, *sources, state)
        left = b.view(result, (width * self.head * self.scene.slots,), ())
        self.states.store("s", self.layer, left)
        return b.view(result, (width * self.tokens,), ())

    def normed(self, of: Tensor) -> Tensor:
        """Each head by itself, if the model has weights for it."""
        b, bias = self.b, self.scene.weight("time_mix_ln.bias", self.layer)
        if bias is None:
            return b.reshape(of, self.scene.embedding, self.tokens)
        result = b.reshape(b.each("NORM", self.by_heads(of)), self.scene.embedding, self.tokens)
        return b.add(b.mul(result, self.weight("time_mix_ln")), bias)

    def out(self, of: Tensor) -> Tensor:
        """What is added to the stream, slot by slot."""
        result = self.product("time_mix_output", of)
        return self.b.reshape(result, result.ne[0], self.states.each, self.scene.slots)


def time_mix7(mix: Mix, of: Tensor, before: Tensor, first: Tensor | None) -> tuple[Tensor, Tensor]:
    """RWKV 7; ``first`` are the values of the first layer, which others come back to."""
    b, scene = mix.b, mix.scene
    gate = scene.weight("time_mix_g1.weight", mix.layer)
    count = _PARTS + bool(gate)
    news = b.repeat(b.each("SUB", before, of), *of.ne[:3], count)
    r, w, k, v, a, *g = mix.parts(mix.between("time_mix_lerp_fused", news, of), count)
    receptance = mix.product("time_mix_receptance", r)
    decay = mix.product("time_mix_w2", b.unary(mix.product("time_mix_w1", w)))
    decay = b.unary(b.add(decay, mix.weight("time_mix_w0")))
    decay = b.unary(b.scale(decay))
    keys, values = mix.product("time_mix_key", k), mix.product("time_mix_value", v)
    if first is None:
        first = values
    else:
        back = mix.product("time_mix_v2", mix.product("time_mix_v1", v))
        back = b.unary(b.add(back, mix.weight("time_mix_v0")))
        values = b.add(values, b.mul(b.each("SUB", first, values), back))
    rate = mix.product("time_mix_a2", mix.product("time_mix_a1", a))
    rate = b.unary(b.add(rate, mix.weight("time_mix_a0")))
    removed = b.each("L2_NORM", mix.by_heads(b.mul(keys, mix.weight("time_mix_k_k"))))
    near = b.mul(keys, mix.weight("time_mix_k_a"))
    keys = b.add(keys, b.each("SUB", b.mul(rate, near), near))
    receptance, decay, keys, heads, rate = map(
        mix.by_heads, (receptance, decay, keys, values, rate)
    )
    sources = (receptance, decay, keys, heads, b.unary(removed), b.mul(removed, rate))
    result = mix.normed(mix.mixed("RWKV_WKV7", *sources))
    own = b.reshape(mix.weight("time_mix_r_k"), mix.head, mix.heads)
    own = b.sum_rows(b.mul(b.mul(keys, receptance), own))
    result = b.add(result, b.reshape(b.mul(heads, own), *result.ne[:2]))
    if g:
        open_ = b.unary(mix.product("time_mix_g1", g[0]))
        result = b.mul(result, mix.product("time_mix_g2", open_))
    return mix.out(result), first


def time_mix6(mix: Mix, of: Tensor, before: Tensor) -> Tensor:
    """RWKV 6, and its kind with gated linear attention, which has no bonus of its own."""
    b, scene, tokens = mix.b, mix.scene, mix.tokens
    first = scene.weight("time_mix_first.weight", mix.layer)
    news = b.reshape(b.each("SUB", before, of), scene.embedding, tokens)
    of = b.reshape(of, scene.embedding, tokens)
    inner = b.unary(mix.product("time_mix_w1", mix.between("time_mix_lerp_x", news, of)))
    inner = b.reshape(inner, inner.ne[0] // _PARTS, 1, _PARTS, tokens)
    inner = b.cont(b.permute(inner, 0, 1, 3, 2))
    matrices = mix.weight("time_mix_w2")
    inner = b.mul_mat(b.reshape(matrices, *matrices.ne[:2], 1, _PARTS), inner)
    if fused := scene.weight("time_mix_lerp_fused.weight", mix.layer):
        news, of = (b.reshape(part, scene.embedding, 1, tokens) for part in (news, of))
        w, k, v, r, g = mix.parts(b.add(b.mul(b.add(inner, fused), news), of), _PARTS)
    else:
        w, k, v, r, g = (
            b.add(b.mul(b.add(part, mix.weight(f"time_mix_lerp_{name}")), news), of)
            for name, part in zip("wkvrg", mix.parts(inner, _PARTS), strict=True)
        )
    receptance = mix.biased("time_mix_receptance", r)
    keys, values = mix.biased("time_mix_key", k), mix.biased("time_mix_value", v)
    gate = b.unary(mix.product("time_mix_gate", g))
    few = scene.model.kv_heads[mix.layer]
    if few not in (0, mix.heads):
        ne = (mix.head, mix.heads // few, few, tokens)
        keys, values = (
            b.repeat(b.reshape(part, mix.head, 1, few, tokens), *ne) for part in (keys, values)
        )
    keys, values, receptance = map(mix.by_heads, (keys, values, receptance))
    decay = mix.product("time_mix_decay_w2", b.unary(mix.product("time_mix_decay_w1", w)))
    decay = b.add(decay, mix.weight("time_mix_decay"))
    decay = mix.by_heads(b.unary(b.unary(b.unary(decay))))
    if first is None:
        keys = b.each("SUB", keys, b.mul(keys, decay))
        result = mix.mixed("GATED_LINEAR_ATTN", keys, values, receptance, decay)
    else:
        result = mix.mixed("RWKV_WKV6", keys, values, receptance, first, decay)
    return mix.out(b.mul(mix.normed(result), gate))


def channel_mix(mix: Mix, of: Tensor, before: Tensor) -> Tensor:
    """A feed-forward that reads the token before, too; RWKV 6 has a gate."""
    b, scene = mix.b, mix.scene
    news = b.each("SUB", before, of)
    inner = mix.product("channel_mix_key", mix.between("channel_mix_lerp_k", news, of))
    inner = b.each("SQR", b.unary(inner))
    if not scene.weight("channel_mix_receptance.weight", mix.layer):
        return mix.product("channel_mix_value", inner)
    gate = mix.between("channel_mix_lerp_r", news, of)
    gate = b.unary(mix.product("channel_mix_receptance", gate))
    return b.mul(gate, mix.product("channel_mix_value", inner))

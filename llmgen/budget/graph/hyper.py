"""Residual streams beside one another, mixed into one and filled again by weights of each token.

``build_hc_pre``, ``build_hc_post`` and ``build_hc_head`` in src/models/deepseek4.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor

# Operations that a context looks for, in this order (resolve_fused_ops); each is done in parts
# where it would run on another device than its layer.
PRE: Final = "DSV4_HC_PRE"
COMB: Final = "DSV4_HC_COMB"
POST: Final = "DSV4_HC_POST"
FUSED: Final = (PRE, COMB, POST)


class Narrow(Struct, frozen=True):
    """One stream of several: how much of a block's result each gets, and of each other one."""

    stream: Tensor
    post: Tensor
    others: Tensor


def widened(scene: Scene, stream: Tensor) -> Tensor:
    """The input as many times as there are streams."""
    b, count = scene.b, scene.model.header.count("hyper_connection.count")
    rows = b.reshape(stream, scene.embedding, 1, scene.tokens)
    wide = b.repeat(rows, scene.embedding, count, scene.tokens)
    return scene.call(wide, "hc_init")


def narrowed(scene: Scene, wide: Tensor, name: str, layer: int) -> Narrow:
    """What a block reads; ``name`` begins the names of its weights."""
    b, (width, count, tokens, _) = scene.b, wide.ne
    mixes = scene.call(mixes_of(scene, wide, f"{name}_fn", layer), "hc_mixes", layer)
    pre, post = (b.scale(share) for share in shares_of(scene, mixes, name, layer))
    scene.call(pre, "hc_pre", layer)
    scene.call(post, "hc_post", layer)
    scale, base = (scene.needed(f"{name}_{part}.weight", layer) for part in ("scale", "base"))
    if COMB in scene.setting.apart:
        others = _balanced(scene, mixes, scale, base)
    else:
        others = b.made(COMB, "f32", (count, count, tokens), mixes, scale, base)
    scene.call(others, "hc_comb", layer)
    if PRE in scene.setting.apart:
        return Narrow(weighed_sum(scene, wide, pre), post, others)
    return Narrow(b.made(PRE, "f32", (width, tokens), wide, pre), post, others)


def _balanced(scene: Scene, mixes: Tensor, scale: Tensor, base: Tensor) -> Tensor:
    """Shares of each stream in every other, whose rows and columns sum to one (Sinkhorn)."""
    b, header = scene.b, scene.model.header
    count = header.count("hyper_connection.count")
    shares = b.view(mixes, (count * count, mixes.ne[1]), (mixes.nb[1],))
    shares = b.mul(shares, b.view(scale, (1,), ()))
    shares = b.add(shares, b.view(base, (count * count,), ()))
    shares = b.softmax(b.reshape(shares, count, count, mixes.ne[1]))
    least = b.filled("f32", 1)
    shares = b.add(shares, least)
    for step in range(max(1, header.count("hyper_connection.sinkhorn_iterations"))):
        if step:
            shares = b.each("DIV", shares, b.add(b.sum_rows(shares), least))
        sums = b.add(b.sum_rows(b.cont(b.permute(shares, 1, 0, 2, 3))), least)
        shares = b.each("DIV", shares, b.permute(sums, 1, 0, 2, 3))
    return shares


def spread(scene: Scene, result: Tensor, wide: Tensor, by: Narrow) -> Tensor:
    """What a block makes, and all streams, in all streams."""
    if POST not in scene.setting.apart:
        return scene.b.made(POST, "f32", wide.ne[:3], result, wide, by.post, by.others)
    b, count = scene.b, wide.ne[1]
    found, *streams = (_one_of(scene, result, wide, by) for _ in range(count))
    for stream in streams:
        found = b.concat(found, stream, 1)
    return found


def _one_of(scene: Scene, result: Tensor, wide: Tensor, by: Narrow) -> Tensor:
    """The same for one stream; which one moves no memory."""
    b, (width, count, tokens, _) = scene.b, wide.ne
    stream = b.mul(result, b.view(by.post, (1, tokens), (by.post.nb[1],)))
    for _ in range(count):
        other = b.view(wide, (width, tokens), (wide.nb[2],))
        share = b.view(by.others, (1, tokens), (by.others.nb[2],))
        stream = b.add(stream, b.mul(other, share))
    return b.reshape(stream, width, 1, tokens)


def mixes_of(scene: Scene, wide: Tensor, name: str, layer: int = -1) -> Tensor:
    """The product of all streams with a small matrix."""
    b = scene.b
    flat = b.reshape(wide, wide.ne[0] * wide.ne[1], wide.ne[2])
    return b.mul_mat(scene.needed(f"{name}.weight", layer), b.each("RMS_NORM", flat))


def shares_of(scene: Scene, mixes: Tensor, name: str, layer: int) -> Iterator[Tensor]:
    """How much of each stream a block reads, and how much of its result each stream gets."""
    b, count = scene.b, scene.model.header.count("hyper_connection.count")
    scale, base = (scene.needed(f"{name}_{part}.weight", layer) for part in ("scale", "base"))
    for _ in range(2):
        share = b.view(mixes, (count, mixes.ne[1]), (mixes.nb[1],))
        share = b.mul(share, b.view(scale, (1,), ()))
        yield b.unary(b.add(share, b.view(base, (count,), ())))


def rows_of(scene: Scene, wide: Tensor, rows: Tensor) -> Tensor:
    """The streams of outputs alone."""
    b, (width, count, tokens, _) = scene.b, wide.ne
    flat = b.get_rows(b.reshape(wide, width * count, tokens), rows)
    return b.reshape(flat, width, count, scene.outputs)


def head_shares(scene: Scene, wide: Tensor) -> Tensor:
    """How much of each stream is in the last norm's input."""
    b = scene.b
    mixes = scene.call(mixes_of(scene, wide, "output_hc_fn"), "hc_head_mixes")
    shares = b.mul(mixes, scene.needed("output_hc_scale.weight"))
    shares = b.unary(b.add(shares, scene.needed("output_hc_base.weight")))
    return scene.call(b.scale(shares), "hc_head_pre")


def weighed_sum(scene: Scene, wide: Tensor, shares: Tensor) -> Tensor:
    """All streams times their shares, one after the other."""
    b, (width, count, tokens, _) = scene.b, wide.ne
    parts = [
        b.mul(
            b.view(wide, (width, tokens), (wide.nb[2],)),
            b.view(shares, (1, tokens), (shares.nb[1],)),
        )
        for _ in range(count)
    ]
    result, *others = parts
    for other in others:
        result = b.add(result, other)
    return result


def mean(scene: Scene, wide: Tensor) -> Tensor:
    """The streams as one, each as much as the others."""
    b, (width, count, tokens) = scene.b, wide.ne[:3]
    first, *others = (b.view(wide, (width, tokens), (wide.nb[2],)) for _ in range(count))
    for other in others:
        first = b.add(first, other)
    return scene.call(b.scale(first), "hc_head")

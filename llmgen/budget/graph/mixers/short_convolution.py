"""LFM2's short convolution between two gates (src/models/lfm2.cpp)."""

from __future__ import annotations

from llmgen.budget.graph.linear import linear
from llmgen.budget.graph.mixers.convolution import convolved, joined, remembered
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.states import States
from llmgen.budget.graph.tensor import Tensor


def short_convolution(scene: Scene, states: States, of: Tensor, layer: int) -> Tensor:
    """Two gates and what passes them are one product (``build_shortconv_block``)."""
    b = scene.b
    of = b.reshape(of, of.ne[0], states.each, scene.slots)
    parts = linear(scene, "shortconv.in_proj", of, layer)
    ne, nb = (parts.ne[0] // 3, *parts.ne[1:3]), parts.nb[1:3]
    first, second, x = (b.view(parts, ne, nb) for _ in range(3))
    columns = b.transpose(b.mul(first, x))
    before = remembered(scene, states, layer, scene.embedding)
    wide = joined(scene, states, before, columns, layer)
    y = convolved(scene, wide, scene.needed("shortconv.conv.weight", layer))
    y = linear(scene, "shortconv.out_proj", b.mul(second, y), layer)
    return b.reshape(y, y.ne[0], scene.tokens)

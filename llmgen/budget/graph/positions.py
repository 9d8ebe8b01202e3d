"""Rows of which a part is rotated by position (``ggml_rope_set_offset``)."""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def turned_part(
    scene: Scene, of: Tensor, positions: Tensor, *, last: bool = False, op: str = "ROPE"
) -> Tensor:
    """Rows rotated in their first or ``last`` elements, as many as the header says."""
    b = scene.b
    if not scene.follows(Rule.PARTS_ROTATED):
        return b.each(op, of, positions)
    rotated = scene.model.header.count("rope.dimension_count")
    near = of.ne[1:3]
    plain = b.view(of, (of.ne[0] - rotated, *near), of.nb[1:3])
    part = b.each(op, b.view(of, (rotated, *near), of.nb[1:3]), positions)
    return b.concat(*((plain, part) if last else (part, plain)), 0)

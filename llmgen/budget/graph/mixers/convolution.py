"""A convolution over the tokens of each slot, with the last ones of the batch before in front."""

from __future__ import annotations

from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.states import States
from llmgen.budget.graph.tensor import Tensor


def remembered(scene: Scene, states: States, layer: int, channels: int) -> Tensor:
    """The columns that the batch before left (``ssm.conv_kernel`` less one)."""
    rows = states.load("r", layer)
    return scene.b.reshape(rows, rows.ne[0] // channels, channels, scene.slots)


def joined(  # noqa: PLR0917 - what is joined, and where it is kept
    scene: Scene,
    states: States,
    before: Tensor,
    columns: Tensor,
    layer: int,
    letter: str = "r",
    *,
    copied: bool = False,
) -> Tensor:
    """Both behind one another; the last columns are kept for the next batch.

    So are those before some of its last tokens, where drafts may be refused; ``copied`` ones are
    taken out first.
    """
    b = scene.b
    wide = b.concat(before, columns, 0)
    for _ in range(scene.kept):
        last = b.view(wide, before.ne[:3], wide.nb[1:3])
        states.store(letter, layer, b.cont(last) if copied else last)
    return wide


def convolved(scene: Scene, wide: Tensor, kernel: Tensor) -> Tensor:
    """One column for each token (``ggml_ssm_conv``)."""
    ne = (wide.ne[1], wide.ne[0] - kernel.ne[0] + 1, wide.ne[2])
    return scene.b.made("SSM_CONV", "f32", ne, wide, kernel)

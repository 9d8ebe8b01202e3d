"""The matrix that rows of a quantised cache are rotated with (``attn_inp_k_rot``)."""

from __future__ import annotations

from typing import Final

ROTATED: Final = 64


def rotation_block(width: int) -> int:
    """Elements of its side: the largest power of two that divides a row, ``ROTATED`` at least."""
    block = ROTATED
    # A hostile header may say that a row has no elements, which everything divides.
    while 2 * block <= width and width % (2 * block) == 0:
        block *= 2
    return block

"""What the budget adds to the computed figures, from their measured error."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from llmgen.units import MIB


class Margin(Struct, frozen=True):
    """Per cent of compute, and bytes, on each device."""

    percent: int
    absolute_bytes: int

    def of(self, compute_bytes: int) -> int:
        """Bytes for a compute buffer of this size."""
        return compute_bytes * self.percent // 100 + self.absolute_bytes


# The graph of an architecture is known at a build: recorded totals of all builds ask for less, and
# so do points of shapes drawn at random (`python -m oracle.margins` in tests). The share is for
# tensors that a card's buffers align to 128 bytes, where the oracle's have 32.
REPLAYED: Final = Margin(1, 8 * MIB)
# Builds beyond those that were recorded, whose graphs may have moved.
UNRECORDED: Final = Margin(10, 48 * MIB)
# The general graph of what a header says, or a newer build's in an older one. Recorded totals ask
# for 274 MiB (GLM-5-next's fixture, when it had no graph), shapes drawn at random for 312.
GUESSED: Final = Margin(25, 328 * MIB)


def margin_of(*, known: bool, recorded: bool) -> Margin:
    """The row for a graph that is known or not, at a build that was recorded or not."""
    if not known:
        return GUESSED
    return REPLAYED if recorded else UNRECORDED

"""One arena of a backend: where the best fitting hole is (``ggml_dyn_tallocr`` in ggml-alloc.c)."""

from __future__ import annotations

_ENDLESS = 2**62


class Arena:
    """Offsets that are taken and given back; ``peak`` is how large the buffer has to be.

    Sizes are rounded up to ``alignment``: 32 bytes where a CPU computes, 128 with CUDA.
    """

    __slots__ = ("alignment", "holes", "peak")

    def __init__(self, alignment: int = 32) -> None:
        """Everything is one hole."""
        self.alignment = alignment
        self.holes: list[tuple[int, int]] = [(0, _ENDLESS)]
        self.peak = 0

    def take(self, size: int) -> int:
        """The smallest hole that is large enough, the last of equal ones; else behind them all."""
        size += -size % self.alignment
        holes = self.holes
        best, found = _ENDLESS, len(holes) - 1
        for index in range(found):
            room = holes[index][1]
            if size <= room <= best:
                best, found = room, index
        start, room = holes[found]
        if room == size:
            del holes[found]
        else:
            holes[found] = (start + size, room - size)
        end = start + size
        self.peak = max(self.peak, end)
        return start

    def give(self, start: int, size: int) -> None:
        """Make a hole, one with those that it touches.

        As in the program an empty one may lie in the middle of another: it keeps holes apart, and
        out of the order of their starts. So all are looked at.
        """
        size += -size % self.alignment
        holes, end = self.holes, start + size
        for index, (at, room) in enumerate(holes):
            if at + room == start:
                if index + 1 < len(holes) and holes[index + 1][0] == end:
                    size += holes[index + 1][1]
                    del holes[index + 1]
                holes[index] = (at, room + size)
                return
            if at == end:
                holes[index] = (start, size + room)
                return
        behind = next((i for i, hole in enumerate(holes) if hole[0] >= start), len(holes))
        holes.insert(behind, (start, size))

"""Takes and gives of a graph, which other counts of cells replay without the graph.

How a graph is scheduled does not depend on how many cells a cache has; sizes do, each as a number
and a number for every cell. So a graph is made with caches of ``FULL`` and of ``WINDOWED`` cells,
which no sum of other sizes reaches, and its sizes are read back digit by digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from llmgen.budget.schedule.arena import Arena

_DIGIT: Final = 64
FULL: Final = 1 << _DIGIT
WINDOWED: Final = 1 << 2 * _DIGIT

# Every hole of every arena.
ArenaState: TypeAlias = tuple[tuple[tuple[int, int], ...], ...]


class CellBytes(Struct, frozen=True):
    """Bytes: a constant, and more for each cell of a full and of a windowed cache."""

    constant: int
    full: int
    windowed: int

    def of(self, cells: int, window_cells: int) -> int:
        """Bytes with so many cells."""
        return self.constant + self.full * cells + self.windowed * window_cells


def sized(number: int) -> CellBytes:
    """Read a size back; digits may be negative."""
    digits = []
    for _ in range(2):
        digit = number & (FULL - 1)
        digit -= FULL if digit >> (_DIGIT - 1) else 0
        digits.append(digit)
        number = (number - digit) >> _DIGIT
    return CellBytes(digits[0], digits[1], number)


class Tape(Struct):
    """``events`` in their order: ``2 * slot`` takes, one more gives, ``-1 - mark`` is a mark.

    A slot is a place that one tensor after the other may have; ``backends`` and ``sizes`` have one
    element for each, ``marked`` the slot of the tensor behind which each mark is.
    """

    events: list[int]
    backends: list[int]
    sizes: list[CellBytes]
    marked: list[int]

    def replay(
        self, arenas: Sequence[Arena], cells: int, window_cells: int
    ) -> dict[int, ArenaState]:
        """Run all events; the holes of the arenas at each mark."""
        known: dict[int, int] = {}
        sizes = [
            known[id(size)]
            if id(size) in known
            else known.setdefault(id(size), size.of(cells, window_cells))
            for size in self.sizes
        ]
        homes = [arenas[backend] for backend in self.backends]
        places = [0] * len(sizes)
        states: dict[int, ArenaState] = {}
        for event in self.events:
            slot = event >> 1
            if event < 0:
                states[-1 - event] = tuple(tuple(arena.holes) for arena in arenas)
            elif event & 1:
                homes[slot].give(places[slot], sizes[slot])
            else:
                places[slot] = homes[slot].take(sizes[slot])
        return states

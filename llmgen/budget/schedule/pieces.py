"""Peaks as functions of the cells: what a tape does is the same for a whole range of them.

Sizes are numbers and numbers for each cell, and so are the places of an arena. Whatever is compared
there has the same outcome for all counts of cells between two bounds, and within them a peak is
linear.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, TypeAlias

from msgspec import Struct

from llmgen.budget.schedule.tape import Tape

# Cells come in blocks of 256, so that what each of them adds is aligned.
ALIGNMENT: Final = 32
_ENDLESS: Final = 2**62

# Bytes at the cells that are asked for, and bytes for each cell more.
Sloped: TypeAlias = tuple[int, int]
Hole: TypeAlias = tuple[int, int, int, int]


class Piece(Struct, frozen=True):
    """Peaks from ``first`` to ``last`` cells: a constant and bytes for each cell.

    ``settled`` says that the arenas were equal where they have to be.
    """

    first: int
    last: int
    peaks: tuple[Sloped, ...]
    settled: bool


class Range:
    """Counts of cells for which all comparisons so far have the same outcome."""

    __slots__ = ("first", "here", "last")

    def __init__(self, here: int) -> None:
        """All that there are."""
        self.here, self.first, self.last = here, 0, _ENDLESS

    def keep(self, more: int, slope: int) -> None:
        """Stay where ``more``, which is not negative here, is not negative."""
        if slope < 0:
            self.last = min(self.last, self.here + more // -slope)
        elif slope > 0:
            self.first = max(self.first, self.here - more // slope)


class SlopedArena:
    """``Arena`` (best fit) whose places move with the cells; it narrows the range.

    Behind ``end`` everything is free; ``holes`` are those before it.
    """

    __slots__ = ("end", "holes", "peak", "range")

    def __init__(self, within: Range) -> None:
        """Nothing is taken."""
        self.range = within
        self.end = self.peak = (0, 0)
        # Start, room, and how much of each is there for a cell.
        self.holes: list[Hole] = []

    def take(self, size_and_slope: Sloped) -> Sloped:
        """The smallest hole that is large enough, the last of equal ones; else the end."""
        size, slope = size_and_slope
        holes, keep = self.holes, self.range.keep
        found, best, best_slope = -1, _ENDLESS, 0
        for index, (_, room, _, room_slope) in enumerate(holes):
            if size > room:
                if room_slope != slope:
                    keep(size - room - 1, slope - room_slope)
                continue
            if room_slope != slope:
                keep(room - size, room_slope - slope)
            if found >= 0 and room_slope != best_slope:
                if room > best:
                    keep(room - best - 1, room_slope - best_slope)
                else:
                    keep(best - room, best_slope - room_slope)
            if room <= best:
                found, best, best_slope = index, room, room_slope
        if found < 0:
            return self._take_end(size, slope)
        start, room, start_slope, room_slope = holes[found]
        if room == size:
            if room_slope != slope:
                keep(0, 1)
                keep(0, -1)
            del holes[found]
        else:
            if room_slope != slope:
                keep(room - size - 1, room_slope - slope)
            holes[found] = (start + size, room - size, start_slope + slope, room_slope - slope)
        return start, start_slope

    def _take_end(self, size: int, slope: int) -> Sloped:
        taken = start, start_slope = self.end
        end, end_slope = self.end = (start + size, start_slope + slope)
        peak, peak_slope = self.peak
        if end_slope != peak_slope:
            keep = self.range.keep
            if end > peak:
                keep(end - peak - 1, end_slope - peak_slope)
            else:
                keep(peak - end, peak_slope - end_slope)
        if end > peak:
            self.peak = self.end
        return taken

    def give(self, place: Sloped, size_and_slope: Sloped) -> None:
        """Make a hole, one with those that it touches; what touches does so in the whole range."""
        start, start_slope = place
        size, slope = size_and_slope
        holes, end = self.holes, start + size
        for index, (at, room, at_slope, room_slope) in enumerate(holes):
            if at + room == start:
                if index + 1 == len(holes):
                    if self.end[0] == end:
                        self.end = (at, at_slope)
                        del holes[index]
                        return
                elif holes[index + 1][0] == end:
                    size, slope = size + holes[index + 1][1], slope + holes[index + 1][3]
                    del holes[index + 1]
                holes[index] = (at, room + size, at_slope, room_slope + slope)
                return
            if at == end:
                holes[index] = (start, size + room, start_slope, slope + room_slope)
                return
        if self.end[0] == end:
            self.end = place
            return
        behind = next((i for i, hole in enumerate(holes) if hole[0] >= start), len(holes))
        holes.insert(behind, (start, size, start_slope, slope))


def piece(
    tape: Tape,
    count: int,
    cells: int,
    window_cells: int,
    equal: Collection[tuple[int, int]],
) -> Piece:
    """Replay a tape over ``count`` arenas; ``equal`` are pairs of marks, at which it may end."""
    within = Range(cells)
    arenas = [SlopedArena(within) for _ in range(count)]
    sizes = _sizes(tape, cells, window_cells)
    homes = [arenas[backend] for backend in tape.backends]
    places: list[Sloped] = [(0, 0)] * len(sizes)
    states: dict[int, tuple[Sloped, list[tuple[Sloped, list[Hole]]]]] = {}
    former = {late: early for early, late in equal}
    for event in tape.events:
        slot = event >> 1
        if event < 0:
            mark = -1 - event
            # With the same holes, the result that the next layer reads may still lie elsewhere.
            holes = [(arena.end, arena.holes[:]) for arena in arenas]
            state = states[mark] = (places[tape.marked[mark]], holes)
            if state != states.get(former.get(mark, -1), state):
                return Piece(within.first, within.last, (), settled=False)
        elif event & 1:
            homes[slot].give(places[slot], sizes[slot])
        else:
            places[slot] = homes[slot].take(sizes[slot])
    peaks = tuple((peak - slope * cells, slope) for peak, slope in (a.peak for a in arenas))
    return Piece(within.first, within.last, peaks, settled=True)


def _sizes(tape: Tape, cells: int, window_cells: int) -> list[Sloped]:
    """Aligned bytes at so many cells, and for each one more; tensors share their sizes."""
    known: dict[int, Sloped] = {}
    found = []
    for size in tape.sizes:
        number = known.get(id(size))
        if number is None:
            constant = size.constant + size.windowed * window_cells
            aligned = constant + -constant % ALIGNMENT + size.full * cells
            number = known[id(size)] = (aligned, size.full)
        found.append(number)
    return found

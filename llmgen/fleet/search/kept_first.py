"""Where models that are always on can be, before any other is given a host.

They say how much room a host has left, and so which models on demand it can have at all. Of these
only sums count here: a host is not filled by more than those that there is room for, and no byte
fills two hosts. What that leaves empty is over elsewhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from msgspec import Struct, field

from llmgen.fleet.search.known_fits import places
from llmgen.fleet.search.levels import NEVER, HostLevel, Levels, Wanted

# So many models that are always on, each one's hosts open, are placed first.
_KEPT = 12


class TooMany(Exception):
    """More placements of what is always on than are looked at."""


class _Kept(Struct, frozen=True):
    """What of it a host can have: a set of models, bytes over or below its budget, and its room.

    ``least`` are bytes over at least, what is below zero taken off.
    """

    models: int
    least: int
    empty: int
    room: int


class KeptFirst(Struct):
    """Placements of what is always on; ``left`` are the steps that are taken to find them."""

    levels: Levels
    wanted: Sequence[Wanted]
    kept: Sequence[int]
    # Models on demand by the least bytes of each: these, and sums of the most bytes up to each.
    least: Sequence[int]
    filled: Sequence[int]
    ways: Sequence[Sequence[_Kept]]
    cheapest: int
    left: int
    known: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def placements(self, limit: int) -> Iterator[tuple[int, list[Wanted]]]:
        """Bytes over at least, and where all models are wanted then, where that is in the limit."""
        if not self.possible(limit):
            return
        every, most, spare = self._all(limit)
        for ways in self._placed(0, every, most, spare, ()):
            if (least := self._over(ways)) <= spare:
                yield least + self.cheapest + self.levels.over, self._wanted(ways)

    def possible(self, limit: int) -> bool:
        """Whether there can be one."""
        every, most, spare = self._all(limit)
        return self._least(0, every, most) <= spare

    def _all(self, limit: int) -> tuple[int, int, int]:
        spare = limit - self.cheapest - self.levels.over
        return (1 << len(self.kept)) - 1, self.least[-1], spare

    def _wanted(self, ways: Sequence[_Kept]) -> list[Wanted]:
        found = list(self.wanted)
        for way, level in zip(ways, self.levels.levels, strict=True):
            for n in places(way.models):
                place = self.levels.models[self.kept[n]].bit.bit_length() - 1
                found[place] = Wanted((*found[place].must, level.host))
        return found

    def _placed(
        self, at: int, left: int, most: int, spare: int, before: tuple[_Kept, ...]
    ) -> Iterator[tuple[_Kept, ...]]:
        if at == len(self.levels.levels):
            yield before
            return
        equal = at and self._equal(at - 1)
        for way in self._ways(at, left):
            # Of hosts that are equal the first has the larger set.
            if equal and way.models > before[-1].models:
                continue
            rest, large = left & ~way.models, 0 if most <= way.room else most
            if way.least + self._least(at + 1, rest, large) <= spare:
                yield from self._placed(at + 1, rest, large, spare - way.least, (*before, way))

    def _equal(self, at: int) -> bool:
        return at < self.levels.levels[at].last_equal

    def _ways(self, at: int, left: int) -> list[_Kept]:
        found = [way for way in self.ways[at] if not way.models & ~left]
        self.left -= 1 + len(self.ways[at]) // 16 + len(found) // 2
        if self.left < 0:
            raise TooMany
        return found

    def _least(self, at: int, left: int, most: int) -> int:
        """Bytes over at least of the hosts from a level on; one has room for so large a model."""
        if at == len(self.levels.levels):
            return NEVER if left or most else 0
        key = (at, left, most)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = min(
                (
                    way.least
                    + self._least(at + 1, left & ~way.models, 0 if most <= way.room else most)
                    for way in self._ways(at, left)
                ),
                default=NEVER,
            )
        return found

    def _over(self, ways: Sequence[_Kept]) -> int:
        """Bytes over when what is on demand could be cut up, the smallest room filled first."""
        over = sum(-way.empty for way in ways)
        used = 0
        for way in sorted(ways, key=lambda way: way.room):
            if way.empty > 0:
                there = self.filled[bisect_right(self.least, way.room)] - used
                used += min(there, way.empty)
                over += max(0, way.empty - there)
        return over


def kept_first(levels: Levels, wanted: Sequence[Wanted], steps: int) -> KeptFirst | None:
    """How to place them; None where that says nothing that all at once would not."""
    models = levels.models
    kept = [place for place, item in enumerate(models) if item.always]
    loose = [place for place, item in enumerate(models) if not item.always]
    if not 0 < len(kept) <= _KEPT or not loose or any(item.width > 1 for item in models):
        return None
    here: dict[int, list[tuple[int, int]]] = {place: [] for place in loose}
    for level in levels.levels:
        for place, demand, least_here in level.models:
            if place in here:
                here[place].append((demand, least_here))
    if not all(here.values()):
        return None
    sizes = sorted(
        (min(least for _, least in found), max(demand for demand, _ in found))
        for found in here.values()
    )
    least = [size for size, _ in sizes]
    filled = [0, *accumulate(size for _, size in sizes)]
    ways = [list(_ways(level, kept, least, filled)) for level in levels.levels]
    cheapest = sum(levels.cost[0][place][1] for place in loose)
    return KeptFirst(levels, wanted, kept, least, filled, ways, cheapest, steps)


def _ways(
    level: HostLevel, kept: Sequence[int], least: Sequence[int], filled: Sequence[int]
) -> Iterator[_Kept]:
    """Every set of what is always on that the host has room for."""
    sizes = {place: (demand, held) for place, demand, held in level.models}
    found = [(0, level.budget, level.floor - level.beside)]
    for n, place in enumerate(kept):
        if place in sizes:
            demand, held = sizes[place]
            found += [
                (models | 1 << n, empty - demand, room - held)
                for models, empty, room in found
                if room >= held
            ]
    for models, empty, room in found:
        # What must be there already has its room beside them.
        there = filled[bisect_right(least, room + level.beside)]
        yield _Kept(models, max(0, empty - there) - empty, empty, room + level.beside)

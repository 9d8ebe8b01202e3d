"""Models on demand that a full host could have as well: nobody has to say yet where they go.

On a host that is full such a model is over with all its bytes wherever else it would be. So a
search gives full hosts no more than fills them, and what is left in the end goes home.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import or_

from msgspec import Struct

from llmgen.fleet.search.known_fits import KnownFits
from llmgen.fleet.search.levels import Levels

# Units of a level's models in the order of their bytes: these bytes, and the models up to each.
_Sorted = tuple[list[int], list[int]]


class Homes(Struct):
    """For each level the models that it is a home of; ``doubt`` where the planner refused one."""

    known: KnownFits
    levels: Levels
    by_least: list[_Sorted]
    by_bytes: list[_Sorted]
    at: list[int]
    doubt: bool = False

    def possible(self, at: int, limit: int) -> int:
        """The units of models that the host can be a home of, over by so many bytes at most."""
        return _up_to(self.by_bytes[at], limit)

    def of(self, at: int, left: int, held: int, models: int) -> int:
        """Whose home the full host is, with what it holds at all times."""
        level = self.levels.levels[at]
        found = _up_to(self.by_least[at], level.floor - held) & left
        if found and self.known.clashes.get(level.alike):
            for item in self.levels.models:
                unit = 1 << item.shift
                if found & unit and self.known.clash(level.host, models | item.bit):
                    found ^= unit
        return found

    def filled(self, given: Sequence[int], left: int) -> list[int] | None:
        """What each level has with what is left; None where the planner refuses that."""
        while True:
            found = self._placed(given, left)
            wrong = found and self._refused(given, found)
            if found is None:
                self.doubt = True
            if not wrong:
                return found
            self.known.learn(*wrong)

    def _placed(self, given: Sequence[int], left: int) -> list[int] | None:
        found = list(given)
        for item in self.levels.models:
            if left >> item.shift & 1:
                for at, level in enumerate(self.levels.levels):
                    models = found[at] | item.bit
                    if self.at[at] >> item.shift & 1 and not self.known.clash(
                        level.host, models | level.base
                    ):
                        found[at] = models
                        break
                else:
                    return None
        return found

    def _refused(self, given: Sequence[int], found: Sequence[int]) -> tuple[int, int] | None:
        for level, was, models in zip(self.levels.levels, given, found, strict=True):
            if models != was and not self.known.fits(level.host, models | level.base):
                return level.host, models | level.base
        return None


def homes(known: KnownFits, levels: Levels, spare: Sequence[frozenset[int]]) -> Homes:
    """Homes of models that have one copy, take nowhere less, and are not ``spare`` anyway."""
    able = [
        [
            (demand, least, 1 << levels.models[place].shift)
            for place, demand, least in level.models
            if place not in given
            and levels.models[place].width == 1
            and not levels.models[place].always
            and demand == levels.cost[0][place][1]
        ]
        for level, given in zip(levels.levels, spare, strict=True)
    ]
    return Homes(
        known,
        levels,
        [_sorted((least, unit) for _, least, unit in found) for found in able],
        [_sorted((demand, unit) for demand, _, unit in found) for found in able],
        [0] * len(able),
    )


def no_homes(known: KnownFits, levels: Levels) -> Homes:
    """Every model is on the host that it is given to."""
    size = len(levels.levels)
    return Homes(known, levels, [([], [0])] * size, [([], [0])] * size, [0] * size)


def _sorted(models: Iterable[tuple[int, int]]) -> _Sorted:
    found = sorted(models)
    return [size for size, _ in found], [0, *accumulate((unit for _, unit in found), or_)]


def _up_to(models: _Sorted, size: int) -> int:
    return models[1][bisect_right(models[0], size)]

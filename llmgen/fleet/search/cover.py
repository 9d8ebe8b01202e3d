"""One filling for each host, so that each model is in one: a set partition of fewest bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import TypeAlias

from msgspec import Struct

from llmgen.fleet.search.known_fits import KnownFits, places
from llmgen.fleet.search.levels import NEVER, Levels, Wanted
from llmgen.fleet.search.steps import SearchAllowance, SearchedEnough

# What a filling adds to what is over anyway, and its models.
CoverRow: TypeAlias = Sequence[tuple[int, int]]
# Of more fillings some have each model.
FEW = 200


class Cover(Struct):
    """One filling for each host, so that each model is in one of them.

    ``base`` is over whatever is chosen; a row's numbers are what its filling adds to that.
    """

    levels: Levels
    known: KnownFits
    steps: SearchAllowance
    wanted: Sequence[Wanted]
    grain: int
    base: int
    most: int = 0
    key: tuple[int, ...] = ()
    found: tuple[int, tuple[int, ...]] | None = None

    def best(self, rows: Sequence[CoverRow], limit: int) -> tuple[int, tuple[int, ...]] | None:
        """The least over up to a limit, in steps of a grain; of equal ones the first in order."""
        self.most = limit - self.base
        every = sum(item.bit for item in self.levels.models)
        self._entered(dict(enumerate(rows)), every, 0, {})
        return self.found

    def _entered(
        self, rows: Mapping[int, CoverRow], left: int, more: int, given: Mapping[int, int]
    ) -> None:
        if not rows:
            if not left:
                self._kept(more, given)
            return
        number = sum(map(len, rows.values()))
        self.steps.left -= 16 + number // 4
        if self.steps.left < 0:
            raise SearchedEnough
        if number < FEW and left & ~_models(rows):
            return
        # The host with the fewest fillings, all others being at their best.
        at = min(rows, key=lambda at: len(rows[at]))
        others = {other: row for other, row in rows.items() if other != at}
        least = more + sum(row[0][0] for row in others.values())
        for extra, bits in rows[at]:
            spare = self.most - least - extra
            if spare < 0:
                return
            rest: dict[int, CoverRow] = {}
            for other, row in others.items():
                end = bisect_right(row, (row[0][0] + spare, NEVER))
                found = [item for item in row[:end] if not item[1] & bits]
                if not found:
                    break
                spare -= found[0][0] - row[0][0]
                rest[other] = found
            else:
                if spare >= 0 and not self._clash(at, bits):
                    self._entered(rest, left & ~bits, more + extra, {**given, at: bits})

    def _clash(self, at: int, bits: int) -> bool:
        level = self.levels.levels[at]
        return bool(self.known.clash(level.host, bits | level.base))

    def _kept(self, more: int, given: Mapping[int, int]) -> None:
        """Keep what is better than all before, if the planner takes it."""
        over, models = self.base + more, tuple(given[at] for at in range(len(given)))
        key = (over // self.grain, *self._ranks(models))
        if self.found is not None and key >= self.key:
            return
        for level, bits in zip(self.levels.levels, models, strict=True):
            if not self.known.fits(level.host, bits | level.base):
                self.known.learn(level.host, bits | level.base)
                return
        self.found, self.key = (over, models), key
        self.most = min(self.most, (key[0] + 1) * self.grain - 1 - self.base)

    def _ranks(self, models: Sequence[int]) -> Iterator[int]:
        """How early in its list each model's host is."""
        hosts = {
            place: level.host
            for level, bits in zip(self.levels.levels, models, strict=True)
            for place in places(bits)
        }
        return (self.wanted[place].may.index(hosts[place]) for place in sorted(hosts))


def _models(rows: Mapping[int, CoverRow]) -> int:
    """All models that are in some filling."""
    return reduce(or_, (bits for row in rows.values() for _, bits in row))

"""Every way to fill the hosts one after the other: the one that overfills them by fewest bytes.

What a host is given lies in a window: not more than may be over, and not less than the hosts after
it can take of the rest. A state (which copies are left at which host) that led nowhere is not
entered twice, so hosts that are equal cost no more than one order of them. The planner is asked of
whole fillings only, and what it refuses is made as small as can be before the search goes on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct, field

from llmgen.fleet.search.homes import Homes, homes, no_homes
from llmgen.fleet.search.known_fits import KnownFits
from llmgen.fleet.search.levels import HostChoice, HostLevel, Levels, ModelNumbers, Remainder
from llmgen.fleet.search.steps import SearchAllowance, SearchedEnough

# (level from which to go on, or one of these)
_NOTHING, _FOUND = -1, -2
# What it costs to look at a state, in steps.
_STATE = 16
# What is left after a level's filling, the models that it gives the host, bytes over, and of which
# of those that are left it is a home.
_Filling: TypeAlias = tuple[int, int, int, int]


class Search(Struct):
    """A search over some levels; ``failed`` has the states that lead nowhere, and how much over."""

    known: KnownFits
    levels: Levels
    steps: SearchAllowance
    homes: Homes
    failed: dict[tuple[int, int, int, int], int] = field(default_factory=dict)
    given: list[int] = field(default_factory=list)
    over: list[int] = field(default_factory=list)
    # For each level the models that a later one can have as well, whatever else is there.
    spare: list[frozenset[int]] = field(default_factory=list)
    # Bytes over of those that went home in the end.
    homed: int = 0

    def found(self, limit: int) -> tuple[int, tuple[int, ...]] | None:
        """Bytes over and each level's models, at most ``limit`` over; None where nothing is."""
        size = len(self.levels.levels)
        self.given, self.over = [0] * size, [0] * size
        limit -= self.levels.over
        if not self.spare:
            self.spare = self._spare()
            self.homes = homes(self.known, self.levels, self.spare)
        if limit < 0 or not all(self.known.fits(*item) for item in self.levels.closed):
            return None
        found = self._entered(0, self.levels.every, 0, 0, limit)
        if found != _FOUND and self.homes.doubt:
            # The planner refused one its home: then it has none.
            self.homes, self.failed = no_homes(self.known, self.levels), {}
            found = self._entered(0, self.levels.every, 0, 0, limit)
        if found != _FOUND:
            return None
        return self.levels.over + sum(self.over) + self.homed, tuple(self.given)

    def _spare(self) -> list[frozenset[int]]:
        """Who need not be on a level that is full: a later one takes all that there is.

        Of a model with one copy that takes no more there.
        """
        free, found = dict[int, int](), list[frozenset[int]]()
        for level in reversed(self.levels.levels):
            found.append(
                frozenset(
                    place for place, here, _ in level.models if free.get(place, here + 1) <= here
                )
            )
            every = sum(self.levels.models[place].bit for place, _, _ in level.models)
            if self.known.surely(level.host, level.base | every):
                for place, here, _ in level.models:
                    if self.levels.models[place].width == 1:
                        free[place] = min(here, free.get(place, here))
        return found[::-1]

    def _entered(self, at: int, left: int, homed: int, barred: int, limit: int) -> int:
        state = (at, left, homed, barred)
        if self.failed.get(state, -1) >= limit:
            return _NOTHING
        self._took(_STATE)
        if self.levels.least_over(at, left, homed) > limit:
            return _NOTHING
        if at == len(self.levels.levels):
            return self._asked(left)
        for rest, models, over, home in self._fillings(*state, limit):
            self.given[at], self.over[at], self.homes.at[at] = models, over, home
            later = self.levels.barred(at, left, rest, barred)
            answer = self._entered(at + 1, rest, (homed | home) & rest, later, limit - over)
            if answer == _FOUND or _NOTHING < answer < at:
                return answer
        self.failed[state] = limit
        return _NOTHING

    def _took(self, steps: int) -> None:
        self.steps.left -= steps
        if self.steps.left < 0:
            raise SearchedEnough

    def _asked(self, left: int) -> int:
        """Whether the planner takes what the hosts were given; else the level that must change."""
        for at, level in enumerate(self.levels.levels):
            models = self.given[at] | level.base
            if not self.known.fits(level.host, models):
                self.known.learn(level.host, models)
                return at
        given = self.homes.filled(self.given, left)
        if given is None:
            return _NOTHING
        self.given, self.homed = given, self.levels.least_over(len(given), left, left)
        return _FOUND

    def _fillings(
        self, at: int, left: int, homed: int, barred: int, limit: int
    ) -> Iterator[_Filling]:
        """What this host can be given: largest first, what fits its bytes before what does not."""
        level = self.levels.levels[at]
        here = self.homes.possible(at, limit) & left
        standing = Remainder(left, homed, homed | here, barred)
        choice = self.levels.choice(at, standing, limit, self.spare[at])
        if choice is None or not self._compatible(level, choice.models | level.base):
            return
        yield from self._band(at, left, here, limit, choice, within=True)
        if limit:
            yield from self._band(at, left, here, limit, choice, within=False)

    def _compatible(self, level: HostLevel, models: int) -> bool:
        return not self.known.clash(level.host, models)

    def _band(
        self, level_at: int, left: int, here: int, limit: int, choice: HostChoice, *, within: bool
    ) -> Iterator[_Filling]:
        level = self.levels.levels[level_at]
        items, rest_size, rest_gain, rest_held = choice.tails
        clashes = self.known.clashes.setdefault(level.alike, [])
        known, size = len(clashes), len(items)
        budget, floor, base = level.budget, level.floor, level.base
        need, need_held = choice.need, choice.need_held
        most = budget if within else budget + limit
        least = 0 if within else budget + 1
        taken, _, held, _, beside = choice.sums
        if taken > most or held + beside > floor:
            return
        smaller = _smaller(items)
        # (place of the next item, or none for what is filled; then what is given so far)
        stack = [(0, choice.models | base, left & ~choice.units, *choice.sums)]
        while stack:
            place, models, after, taken, gain, held, held_gain, beside = stack.pop()
            over = taken - budget if taken > budget else 0
            if place < 0:
                full = taken >= budget
                home = self.homes.of(level_at, after & here, held, models) if full else 0
                yield after, models & ~base, over, home
                if len(clashes) > known:
                    known = len(clashes)
                    stack = [item for item in stack if self._compatible(level, item[1])]
                continue
            room, full = most - taken, taken >= budget
            spared, spared_held = need + over - gain, need_held - held_gain
            short = least - taken
            found = []
            # What is too large is passed over at once.
            begin = at = max(place, bisect_left(smaller, -room)) if smaller else place
            # Each of the items as the next one, those before it left out.
            while (
                rest_gain[at] >= spared and rest_held[at] >= spared_held and rest_size[at] >= short
            ):
                if at == size:
                    found.append((-1, models, after, taken, gain, held, held_gain, beside))
                    break
                bit, unit, demand, more, holds, least_more, always, spare = items[at]
                at += 1
                # On a host that is full a model only takes what a later one has as well.
                if demand > room or (full and spare):
                    continue
                if always:
                    now_held, now_beside = held + holds, beside
                else:
                    now_held, now_beside = held, max(beside, holds)
                if now_held + now_beside > floor:
                    continue
                now, now_gain = taken + demand, gain + more
                now_over = now - budget if now > budget else 0
                if now_gain + rest_gain[at] < need + now_over:
                    continue
                joined = models | bit
                if clashes and any(joined & clash == clash for clash in clashes if clash & bit):
                    continue
                found.append(
                    (
                        at,
                        joined,
                        after & ~unit,
                        now,
                        now_gain,
                        now_held,
                        held_gain + least_more,
                        now_beside,
                    )
                )
            stack += reversed(found)
            self._took(1 + at - begin)


def _smaller(items: Sequence[ModelNumbers]) -> list[int]:
    """The bytes of items below zero, to be looked up; none where they do not get fewer."""
    found = [-item[2] for item in items]
    return found if found == sorted(found) else []

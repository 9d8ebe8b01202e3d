"""One level of a search for each host that it fills, and what can still come of those after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from msgspec import Struct, field

# More than any sum of bytes: what cannot be at all.
NEVER = 1 << 80
# Sums by level, model and number of copies that are left.
CountTable: TypeAlias = list[list[list[int]]]
# Bit of the model, of its last copy that is left, bytes here, bytes that later hosts are spared,
# the same two of what it holds at all times, whether it does, whether a later host takes it anyway.
ModelNumbers: TypeAlias = tuple[int, int, int, int, int, int, bool, bool]


class Wanted(Struct, frozen=True):
    """Where a model must be, and of which other hosts so many more must have it."""

    must: tuple[int, ...]
    may: tuple[int, ...] = ()
    copies: int = 0


class HostLevel(Struct, frozen=True):
    """One host: what it has beside the models that it must have, and which others it can have.

    ``floor`` is what is left of the budget at all times, ``beside`` the most that one of its models
    on demand adds to that. Levels up to ``last_equal`` can change places.
    """

    host: int
    alike: str
    budget: int
    floor: int
    beside: int
    base: int
    # (place in the order of models, bytes here, least bytes here)
    models: tuple[tuple[int, int, int], ...]
    last_equal: int


class Copies(Struct, frozen=True):
    """One model of a search: its copies are ``width`` bits from ``shift`` on, lowest ones left."""

    bit: int
    shift: int
    width: int
    always: bool
    last: int


class Remainder(NamedTuple):
    """What is left when a host is filled, as units.

    Of these a full host before it could have ``homed``, and with it ``home``; an equal host before
    it would have ``barred``.
    """

    left: int
    homed: int
    home: int
    barred: int


class HostChoice(Struct, frozen=True):
    """What one host must have of what is left, and what else it can have.

    ``sums`` are bytes of what it must have, ``need`` and ``need_held`` what later hosts must be
    spared at least; ``tails`` are the items and sums of those from each place on.
    """

    models: int
    units: int
    need: int
    need_held: int
    sums: tuple[int, int, int, int, int]
    tails: tuple[list[ModelNumbers], list[int], list[int], list[int]]


class Levels(Struct, frozen=True):
    """Every host that still has a choice, and tables of what the models take from each on.

    ``over`` are bytes that what must be there is over the budgets anyway, ``closed`` the hosts
    without a choice and their models.
    """

    levels: tuple[HostLevel, ...]
    models: tuple[Copies, ...]
    over: int
    closed: tuple[tuple[int, int], ...]
    cost: CountTable
    alone: CountTable
    held: CountTable
    budgets: list[int]
    floors: list[int]
    counted: bool
    # The lowest unit of the same model, by unit.
    shifts: tuple[int, ...] = ()
    by_least: tuple[int, ...] = ()
    by_cost: tuple[int, ...] = ()
    least: tuple[int, ...] = ()
    # What was counted: places by level and size, bytes over by level, size and number.
    places_of: dict[tuple[int, int], int] = field(default_factory=dict)
    over_of: dict[tuple[int, int, int], int] = field(default_factory=dict)

    @property
    def every(self) -> int:
        """All copies of all models."""
        return sum(((1 << item.width) - 1) << item.shift for item in self.models)

    def left(self, units: int) -> list[int]:
        """How many copies of each model are left."""
        return [
            (units >> item.shift & ((1 << item.width) - 1)).bit_length() for item in self.models
        ]

    def least_over(self, at: int, units: int, homed: int = 0) -> int:
        """Bytes that are over at least, when what is left has only the hosts from a level on.

        Those that are ``homed`` have a full host before it as well.
        """
        left = self.left(units)
        cost, alone, held = self.cost[at], self.alone[at], self.held[at]
        over = apart = floor = 0
        for place, copies in enumerate(left):
            if copies and homed >> self.models[place].shift & 1:
                cheapest = self.cost[0][place][1]
                over += cheapest
                apart += min(cheapest, alone[place][1])
            elif copies:
                over += cost[place][copies]
                apart += alone[place][copies]
                floor += held[place][copies]
        if over >= NEVER or floor > self.floors[at] or (self.counted and self._crowded(at, left)):
            return NEVER
        return max(over - self.budgets[at], apart, self._lumps(at, left, homed))

    def _crowded(self, at: int, left: Sequence[int]) -> bool:
        """Whether there are more large models than places for them, of what is held always."""
        number = 0
        for place in self.by_least:
            if left[place]:
                number += left[place]
                if number > self.places(at, self.least[place]):
                    return True
        return False

    def places(self, at: int, size: int) -> int:
        """How many of a size the hosts from a level on hold at all times."""
        found = self.places_of.get((at, size))
        if found is None:
            found = sum(level.floor // size for level in self.levels[at:] if level.floor > 0)
            self.places_of[at, size] = found
        return found

    def _lumps(self, at: int, left: Sequence[int], homed: int) -> int:
        """Bytes over because models are whole: so many of at least this size, and so few places.

        One on a full host before takes its place with it.
        """
        number = over = 0
        size = NEVER
        for place in self.by_cost:
            if left[place]:
                number += left[place]
                home = homed >> self.models[place].shift & 1
                size = min(size, self.cost[0 if home else at][place][1])
                key = (at, size, number)
                found = self.over_of.get(key)
                if found is None:
                    found = self.over_of[key] = self._over_by_count(at, size, number)
                over = max(over, found)
        return over

    def _over_by_count(self, at: int, size: int, number: int) -> int:
        if not size:
            return 0
        budgets = [level.budget for level in self.levels[at:]]
        extra = number - sum(budget // size for budget in budgets)
        if extra <= 0:
            return 0
        steps = sorted(size - budget % size for budget in budgets)
        return sum(steps[:extra]) + size * max(0, extra - len(steps))

    def barred(self, at: int, left: int, rest: int, before: int) -> int:
        """What the next host, if it is equal, does not have: what comes before the first here.

        Of equal hosts with anything the first has the largest, and so on.
        """
        if at >= self.levels[at].last_equal:
            return 0
        taken = left & ~rest
        if not taken:
            return before
        first = (taken & -taken).bit_length() - 1
        return rest & ((1 << self.shifts[first]) - 1)

    def choice(
        self, at: int, standing: Remainder, limit: int, spare: frozenset[int] = frozenset()
    ) -> HostChoice | None:
        """What a host must and can have; None where that is too much at once."""
        level, left = self.levels[at], self.left(standing.left)
        cost, held = self.cost[at + 1], self.held[at + 1]
        need, need_held = -self.budgets[at + 1] - limit, -self.floors[at + 1]
        here = {place: (demand, least) for place, demand, least in level.models}
        models = taken_units = taken = kept = 0
        beside, items, first = level.beside, list[ModelNumbers](), True
        for place, copies in enumerate(left):
            if not copies:
                continue
            known = self.models[place]
            before, now = standing.homed >> known.shift & 1, standing.home >> known.shift & 1
            bar = standing.barred >> known.shift & 1
            if bar and not before and known.last <= level.last_equal:
                return None
            if bar or place not in here:
                need += self.cost[0][place][1] if before else cost[place][copies]
                need_held += 0 if before else held[place][copies]
                continue
            demand, least = here[place]
            unit = 1 << (known.shift + copies - 1)
            # Of hosts that are equal the first has the largest of what they must share.
            shared = (
                first and not before and at < level.last_equal and known.last <= level.last_equal
            )
            first = False
            if now and not shared:
                cheapest = self.cost[0][place][1]
                need += cheapest
                items.append((known.bit, unit, demand, cheapest, least, 0, False, True))
                continue
            if shared or cost[place][copies] >= NEVER:
                models, taken_units, taken = models | known.bit, taken_units | unit, taken + demand
                kept += least if known.always else 0
                beside = beside if known.always else max(beside, least)
                need += cost[place][copies - 1]
                need_held += held[place][copies - 1]
                continue
            more = cost[place][copies] - cost[place][copies - 1]
            least_more = held[place][copies] - held[place][copies - 1]
            need += cost[place][copies]
            need_held += held[place][copies]
            items.append(
                (known.bit, unit, demand, more, least, least_more, known.always, place in spare)
            )
        if need >= NEVER // 2 or kept + beside > level.floor:
            return None
        return HostChoice(
            models, taken_units, need, need_held, (taken, 0, kept, 0, beside), _tails(items)
        )


def _tails(items: list[ModelNumbers]) -> tuple[list[ModelNumbers], list[int], list[int], list[int]]:
    size, gain, held = [0], [0], [0]
    for item in reversed(items):
        size.append(size[-1] + item[2])
        gain.append(gain[-1] + max(0, item[3]))
        held.append(held[-1] + item[5])
    return items, size[::-1], gain[::-1], held[::-1]

"""The hosts in the order in which a search fills them, and sums of what is left for later ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from llmgen.fleet.needs import HostBudget, ModelNeeds
from llmgen.fleet.search.levels import NEVER, Copies, CountTable, HostLevel, Levels, Wanted


def levels(
    hosts: Sequence[HostBudget], needs: Sequence[ModelNeeds], wanted: Sequence[Wanted]
) -> Levels:
    """The hosts that have a choice, the smallest choice first, equal ones together."""
    names = [host.name for host in hosts]
    free = [place for place, item in enumerate(wanted) if item.copies]
    # Large models first: what cannot be is seen early.
    free.sort(key=lambda place: -max(needs[place].demand[names[at]] for at in wanted[place].may))
    must, may = _by_host(len(hosts), wanted)
    order = {place: at for at, place in enumerate(free)}
    found = [
        _level(at, host, needs, must[at], [(order[place], place) for place in may[at]])
        for at, host in enumerate(hosts)
    ]
    over = sum(max(0, -level.budget) for level in found)
    with_choice = sorted(
        (level for level in found if level.models),
        key=lambda level: (len(level.models), level.budget, _equal(level), level.host),
    )
    last = {_equal(level): at for at, level in enumerate(with_choice)}
    ordered = tuple(_at_level(level, last[_equal(level)]) for level in with_choice)
    closed = tuple((level.host, level.base) for level in found if not level.models)
    return _tables(ordered, (over, closed), needs, wanted, free)


def _by_host(hosts: int, wanted: Sequence[Wanted]) -> tuple[list[list[int]], list[list[int]]]:
    """For each host the models that must be there, and those that may."""
    must, may = [list[int]() for _ in range(hosts)], [list[int]() for _ in range(hosts)]
    for place, item in enumerate(wanted):
        for at in item.must:
            must[at].append(place)
        for at in item.may if item.copies else ():
            may[at].append(place)
    return must, may


def _level(
    at: int,
    host: HostBudget,
    needs: Sequence[ModelNeeds],
    must: Sequence[int],
    may: Sequence[tuple[int, int]],
) -> HostLevel:
    name = host.name
    least = {place: needs[place].least.get(name, 0) for place in must}
    floor = host.budget - sum(least[place] for place in must if needs[place].always)
    return HostLevel(
        at,
        host.alike,
        host.budget - sum(needs[place].demand[name] for place in must),
        floor,
        max((least[place] for place in must if not needs[place].always), default=0),
        sum(1 << place for place in must),
        tuple(
            sorted(
                (order, needs[place].demand[name], least_here)
                for order, place in may
                if (least_here := needs[place].least.get(name, 0)) <= floor
            )
        ),
        0,
    )


def _equal(level: HostLevel) -> tuple[object, ...]:
    return (level.alike, level.budget, level.floor, level.beside, level.base, level.models)


def _at_level(level: HostLevel, last_equal: int) -> HostLevel:
    return HostLevel(
        level.host,
        level.alike,
        max(0, level.budget),
        level.floor,
        level.beside,
        level.base,
        level.models,
        last_equal,
    )


def _tables(
    ordered: tuple[HostLevel, ...],
    fixed: tuple[int, tuple[tuple[int, int], ...]],
    needs: Sequence[ModelNeeds],
    wanted: Sequence[Wanted],
    free: Sequence[int],
) -> Levels:
    cost, alone, held = _suffixes(ordered, needs, wanted, free)
    shift, models = 0, list[Copies]()
    last = {order: at for at, level in enumerate(ordered) for order, _, _ in level.models}
    for order, place in enumerate(free):
        copies = wanted[place].copies
        models.append(Copies(1 << place, shift, copies, needs[place].always, last.get(order, -1)))
        shift += copies
    least = tuple(held[0][order][1] for order in range(len(free)))
    return Levels(
        ordered,
        tuple(models),
        *fixed,
        cost,
        alone,
        held,
        [sum(level.budget for level in ordered[at:]) for at in range(len(ordered) + 1)],
        [sum(max(0, level.floor) for level in ordered[at:]) for at in range(len(ordered) + 1)],
        any(least),
        tuple(item.shift for item in models for _ in range(item.width)),
        tuple(sorted((n for n in range(len(free)) if least[n]), key=lambda n: -least[n])),
        tuple(sorted(range(len(free)), key=lambda n: -cost[0][n][1])),
        least,
    )


def _suffixes(
    ordered: tuple[HostLevel, ...],
    needs: Sequence[ModelNeeds],
    wanted: Sequence[Wanted],
    free: Sequence[int],
) -> tuple[CountTable, CountTable, CountTable]:
    """For the hosts from each level on: bytes of the cheapest copies, what is over alone, held."""
    rows = [([*range(0)], [*range(0)], [*range(0)]) for _ in free]
    tables: tuple[CountTable, CountTable, CountTable] = ([], [], [])
    sums = [
        tuple(_sums(row, wanted[place].copies) for row in rows[order])
        for order, place in enumerate(free)
    ]
    for at in range(len(ordered), -1, -1):
        for order, demand, least in ordered[at].models if at < len(ordered) else ():
            place = free[order]
            alone = max(0, demand - ordered[at].budget)
            values = (demand, alone, least if needs[place].always else 0)
            for row, value in zip(rows[order], values, strict=True):
                row.append(value)
            sums[order] = tuple(_sums(row, wanted[place].copies) for row in rows[order])
        for which, table in enumerate(tables):
            table.insert(0, [found[which] for found in sums])
    return tables


def _sums(values: list[int], copies: int) -> list[int]:
    """Sums of the 0, 1, 2 … smallest."""
    smallest = sorted(values)[:copies] + [NEVER] * (copies - len(values))
    return [0, *accumulate(smallest)]

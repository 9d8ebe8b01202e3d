"""A placement made better by one move or one exchange at a time, until none of them helps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmgen.fleet.needs import HostBudget, ModelNeeds
from llmgen.fleet.search.known_fits import KnownFits
from llmgen.fleet.search.levels import Wanted

# (model, its host, the other host): one of these is a move, two an exchange.
_Move = tuple[int, int, int]
# So many changes are made at most.
_CHANGES = 200


def with_less_over(
    hosts: Sequence[HostBudget],
    needs: Sequence[ModelNeeds],
    known: KnownFits,
    wanted: Sequence[Wanted],
    models: Sequence[int],
) -> list[int]:
    """The placement with fewer bytes that cannot be in memory at once, where that is near."""
    now = list(models)
    size = [[item.demand.get(host.name, 0) for host in hosts] for item in needs]
    taken = [
        sum(size[place][at] for place in range(len(needs)) if now[at] >> place & 1)
        for at in range(len(hosts))
    ]
    for _ in range(_CHANGES):
        for moves in _changes(wanted, now):
            if _gain(hosts, size, taken, moves) > 0 and _fit(known, now, moves):
                for place, old, new in moves:
                    now[old], now[new] = now[old] & ~(1 << place), now[new] | 1 << place
                    taken[old], taken[new] = (
                        taken[old] - size[place][old],
                        taken[new] + size[place][new],
                    )
                break
        else:
            return now
    return now


def _changes(wanted: Sequence[Wanted], models: Sequence[int]) -> Iterator[tuple[_Move, ...]]:
    singles = [
        (place, old, new)
        for place, item in enumerate(wanted)
        if item.copies
        for old in item.may
        if models[old] >> place & 1
        for new in item.may
        if not models[new] >> place & 1
    ]
    yield from ((move,) for move in singles)
    by_way: dict[tuple[int, int], list[_Move]] = {}
    for move in singles:
        by_way.setdefault(move[1:], []).append(move)
    for (old, new), moves in by_way.items():
        if old < new:
            back = by_way.get((new, old), ())
            yield from ((one, other) for one in moves for other in back)


def _gain(
    hosts: Sequence[HostBudget],
    size: Sequence[Sequence[int]],
    taken: Sequence[int],
    moves: tuple[_Move, ...],
) -> int:
    """How many bytes fewer are over."""
    _, old, new = moves[0]
    more_old = more_new = 0
    for place, source, target in moves:
        if source == old:
            more_old, more_new = more_old - size[place][old], more_new + size[place][target]
        else:
            more_old, more_new = more_old + size[place][target], more_new - size[place][source]
    return sum(
        max(0, taken[at] - hosts[at].budget) - max(0, taken[at] + more - hosts[at].budget)
        for at, more in ((old, more_old), (new, more_new))
    )


def _fit(known: KnownFits, models: Sequence[int], moves: tuple[_Move, ...]) -> bool:
    _, old, new = moves[0]
    away = sum(1 << place for place, source, _ in moves if source == old)
    here = sum(1 << place for place, source, _ in moves if source == new)
    return known.fits(old, models[old] & ~away | here) and known.fits(
        new, models[new] & ~here | away
    )

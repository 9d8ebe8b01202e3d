"""A placement that is found at once: large models first, each where it overfills least.

The planner is asked of whole hosts. What it refuses there is kept in mind, and all is placed anew;
when that has gone on for long, each model is asked of alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmgen.fleet.needs import HostBudget, ModelNeeds
from llmgen.fleet.search.known_fits import KnownFits
from llmgen.fleet.search.levels import Wanted

# So many times everything is placed anew, for each host.
_ANEW = 2


def first_fit(
    hosts: Sequence[HostBudget],
    needs: Sequence[ModelNeeds],
    known: KnownFits,
    wanted: Sequence[Wanted],
) -> list[int] | None:
    """For each host the bits of its models; None when this way finds none, which proves nothing."""

    def compatible(host: int, models: int) -> bool:
        return not known.clash(host, models)

    for _ in range(4 + _ANEW * len(hosts)):
        found = _placed(hosts, needs, wanted, compatible)
        if found is None:
            break
        refused = [host for host, models in enumerate(found) if not known.fits(host, models)]
        if not refused:
            return found
        for host in refused:
            known.learn(host, found[host])
    found = _placed(hosts, needs, wanted, known.fits)
    return found if found and all(known.fits(*item) for item in enumerate(found)) else None


def _placed(
    hosts: Sequence[HostBudget],
    needs: Sequence[ModelNeeds],
    wanted: Sequence[Wanted],
    fits: Callable[[int, int], bool],
) -> list[int] | None:
    models, left = [0] * len(hosts), [host.budget for host in hosts]
    names = [host.name for host in hosts]
    held = left.copy()

    def put(place: int, host: int) -> None:
        models[host] |= 1 << place
        left[host] -= needs[place].demand[names[host]]
        if needs[place].always:
            held[host] -= needs[place].least.get(names[host], 0)

    for place, item in enumerate(wanted):
        for host in item.must:
            put(place, host)
    waiting = [place for place, item in enumerate(wanted) if item.copies]
    # What is always there first, then what has fewest hosts to spare, then the largest.
    waiting.sort(
        key=lambda place: (
            not needs[place].always,
            -max(needs[place].demand[names[host]] for host in wanted[place].may),
        )
    )
    for place in waiting:

        def cost(host: int, place: int = place) -> tuple[bool, int]:
            demand, least = needs[place].demand[names[host]], needs[place].least.get(names[host], 0)
            over = max(0, demand - max(0, left[host]))
            return least > held[host], over

        for _ in range(wanted[place].copies):
            can = [
                host
                for host in wanted[place].may
                if not models[host] >> place & 1 and fits(host, models[host] | 1 << place)
            ]
            if not can:
                return None
            put(place, min(can, key=cost))
    return models

"""Which hosts have each model: the best placement of all of them, or who has none and why.

The best is, in this order: every model is placed; the fewest bytes that cannot be in memory at
once (what a host's models take together over its budget, summed over the hosts); the first when
models are taken in llm.toml's order, each on the earliest host of its list. Where a search is given
up, after a count of steps and never a time, the best so far stands and ``proved`` is false:
``tests/bench/fleet_placement.py`` says how often for 8 hosts and 24 models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from llmgen.fleet.needs import Choosing, HostBudget, ModelNeeds
from llmgen.fleet.no_host import NoHost, no_hosts
from llmgen.fleet.search.best_hosts import Best
from llmgen.fleet.search.known_fits import AskedEnough, KnownFits
from llmgen.fleet.search.levels import Wanted
from llmgen.fleet.search.steps import SearchAllowance
from llmgen.fleet.search.task import FilledHosts

# How many steps a search takes, and how many questions it asks the planner.
STEPS, CALLS = 2_000_000, 1_000


class Placed(Struct, frozen=True):
    """The hosts of each model in the order of its list.

    ``over`` are the bytes that cannot be in memory at once.
    """

    hosts: Mapping[str, tuple[str, ...]]
    over: int = 0
    proved: bool = True


class Refused(Struct, frozen=True):
    """No placement has every model; not proved, where not every one was tried."""

    missing: tuple[NoHost, ...]
    proved: bool = True


def place(
    choosing: Choosing, grain: int = 1, steps: int = STEPS, calls: int = CALLS
) -> Placed | Refused:
    """The best placement, or the models that have no host."""
    hosts, needs = choosing.hosts, choosing.needs
    known = KnownFits(choosing.oracle, hosts, [item.name for item in needs], calls)
    wanted = [_wanted(hosts, item) for item in needs]
    best = Best(hosts, needs, known, SearchAllowance(steps), grain)
    impossible = any(len(item.must) + item.copies == 0 for item in wanted)
    found = None if impossible else best.placed(wanted)
    while found is not None and not _stands(best, found):
        best = Best(hosts, needs, known, SearchAllowance(steps), grain, best.proved)
        found = best.placed(wanted)
    if found is None:
        return Refused(tuple(no_hosts(best, wanted)), best.proved)
    return Placed(
        {item.name: tuple(_named(hosts, found, at, item)) for at, item in enumerate(needs)},
        found.over,
        best.proved,
    )


def _stands(best: Best, found: FilledHosts) -> bool:
    """Whether the planner of each host takes what it is given, as far as it can still be asked."""
    try:
        return all(best.known.holds(*item) for item in enumerate(found.models))
    except AskedEnough:
        best.proved = False
        return True


def _wanted(hosts: Sequence[HostBudget], item: ModelNeeds) -> Wanted:
    """Where a model must and may be; nowhere when too few of its hosts can have it."""
    places = {host.name: at for at, host in enumerate(hosts)}
    can = tuple(places[name] for name in item.possible)
    if len(can) < item.copies:
        return Wanted(())
    return Wanted(can) if len(can) == item.copies else Wanted((), can, item.copies)


def _named(
    hosts: Sequence[HostBudget], found: FilledHosts, at: int, item: ModelNeeds
) -> Iterator[str]:
    on = {host.name for host, models in zip(hosts, found.models, strict=True) if models >> at & 1}
    return (name for name in item.hosts if name in on)

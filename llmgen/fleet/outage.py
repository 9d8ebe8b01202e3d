"""What is left of a placement while one host is down, and who could take over what it served."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from llmgen.fleet.host_reasons import beside
from llmgen.fleet.needs import Choosing, ModelNeeds
from llmgen.fleet.search.best_hosts import Best
from llmgen.fleet.search.known_fits import KnownFits
from llmgen.fleet.search.levels import Wanted
from llmgen.fleet.search.steps import SearchAllowance

# How far a joint takeover is searched.
_STEPS, _CALLS = 200_000, 1_000


class Outage(Struct, frozen=True):
    """One host down.

    ``lost`` are models without any other server, ``served`` those that another still has. Of those
    lost that load on demand, ``alone`` says on which host each would fit beside what is there, and
    ``together`` where as many as fit at once would, taken in llm.toml's order.
    """

    host: str
    lost: tuple[str, ...]
    served: tuple[str, ...]
    alone: Mapping[str, str]
    together: Mapping[str, str]

    @property
    def every(self) -> bool:
        """Whether all that can be taken over alone can be together."""
        return len(self.together) == len(self.alone)


def without(choosing: Choosing, placed: Mapping[str, tuple[str, ...]], down: str) -> Outage:
    """Which models lose their last server, and which of them other hosts could take over."""
    needs = choosing.needs
    up = Choosing([host for host in choosing.hosts if host.name != down], needs, choosing.oracle)
    there = beside(placed)
    affected = [item for item in needs if down in placed.get(item.name, ())]
    lost = [item for item in affected if placed[item.name] == (down,)]
    alone = {
        item.name: names for item in lost if not item.always and (names := _able(up, item, there))
    }
    return Outage(
        down,
        tuple(item.name for item in lost),
        tuple(item.name for item in affected if item not in lost),
        {name: names[0] for name, names in alone.items()},
        _together(up, there, alone),
    )


def _able(
    choosing: Choosing,
    item: ModelNeeds,
    there: Mapping[str, frozenset[str]],
) -> tuple[str, ...]:
    """Hosts that could have it beside what they have; those that llm.toml allows first."""
    names = [
        host.name
        for host in choosing.hosts
        if host.name in item.demand and host.name not in item.never
    ]
    names.sort(key=lambda name: item.hosts.index(name) if name in item.hosts else len(item.hosts))
    return tuple(
        name
        for name in names
        if choosing.oracle.fits(name, there.get(name, frozenset()) | {item.name})
    )


def _together(
    choosing: Choosing,
    there: Mapping[str, frozenset[str]],
    alone: Mapping[str, tuple[str, ...]],
) -> Mapping[str, str]:
    """One host for each of as many as can be, in order."""
    up, needs = choosing.hosts, choosing.needs
    at_host = {host.name: at for at, host in enumerate(up)}
    known = KnownFits(choosing.oracle, up, [item.name for item in needs], _CALLS)
    best = Best(up, needs, known, SearchAllowance(_STEPS))
    wanted = [
        Wanted(tuple(at for name, at in at_host.items() if item.name in there.get(name, ())))
        for item in needs
    ]
    taken: list[int] = []
    found = None
    for place, item in enumerate(needs):
        if item.name in alone:
            tried = [*wanted]
            tried[place] = Wanted((), tuple(at_host[name] for name in alone[item.name]), 1)
            if best.possible(tried):
                wanted = tried
                taken.append(place)
    found = best.placed(wanted) if taken else None
    if found is None:
        return {}
    return {
        needs[place].name: next(
            host.name for at, host in enumerate(up) if found.models[at] >> place & 1
        )
        for place in taken
    }

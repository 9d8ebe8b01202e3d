"""Models for which there is no host beside the others: why not on each, and what was tried instead.

Models are taken in llm.toml's order: one that no placement of those before it leaves room for has
no host, and the rest go on without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from llmgen.fleet.host_reasons import left, never
from llmgen.fleet.needs import ModelNeeds
from llmgen.fleet.search.best_hosts import Best
from llmgen.fleet.search.known_fits import AskedEnough
from llmgen.fleet.search.levels import Wanted
from llmgen.fleet.search.task import FilledHosts

_NOWHERE = Wanted(())


class Move(Struct, frozen=True):
    """A change that was tried and fits: this model on this host; ``words`` say it."""

    model: str
    host: str
    words: str


class NoHost(Struct, frozen=True):
    """A model without a host, the reason for each of its hosts, and moves that fit."""

    model: str
    why: Mapping[str, str]
    moves: tuple[Move, ...] = ()


def no_hosts(best: Best, wanted: Sequence[Wanted]) -> Iterator[NoHost]:
    """Every model that has no host beside those before it that have one."""
    kept = _kept(best, wanted)
    proved = best.proved
    found = best.placed(kept)
    for at, item in enumerate(kept):
        if item == _NOWHERE:
            needs = best.needs[at]
            why = {name: _why(best, needs, at, name, found) for name in needs.hosts}
            moves = (*_itself(best, kept, at), *_others(best, found, at))
            yield NoHost(needs.name, why, moves)
    # Advice that was not searched to the end does not make the refusal less certain.
    best.proved = proved


def _kept(best: Best, wanted: Sequence[Wanted]) -> list[Wanted]:
    """The models that have a host together, in order; nowhere those that have not."""
    kept, size = list(wanted), 0
    while size < len(kept) and not best.possible(kept):
        low, high = size, len(kept)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if best.possible(_until(kept, middle)) else (low, middle)
        kept[high - 1], size = _NOWHERE, high
    return kept


def _until(wanted: Sequence[Wanted], end: int) -> list[Wanted]:
    return [item if at < end else _NOWHERE for at, item in enumerate(wanted)]


def _why(best: Best, needs: ModelNeeds, at: int, name: str, found: FilledHosts | None) -> str:
    if name not in needs.possible:
        return never(needs, name)
    host = _host(best, name)
    bit, there = 1 << at, found.models[host] if found else 0
    alone = not _fits(best, host, bit)
    if not alone and _fits(best, host, there | bit):
        return f"it fits on {name}, but must be on {needs.copies} hosts"
    room = best.known.oracle.room(name, best.known.named(0 if alone else there))
    return left(needs.demand[name], name, room)


def _itself(best: Best, kept: Sequence[Wanted], at: int) -> Iterator[Move]:
    """Another host than llm.toml allows, the others placed anew."""
    needs = best.needs[at]
    if needs.copies > 1:
        return
    for host, item in enumerate(best.hosts):
        name = item.name
        if name in needs.hosts or not needs.able(name):
            continue
        tried = [*kept]
        tried[at] = Wanted((host,))
        if best.possible(tried):
            yield Move(needs.name, name, f"on `{name}` it fits as it is")


def _others(best: Best, found: FilledHosts | None, at: int) -> Iterator[Move]:
    """Another model on a host that llm.toml does not allow for it, and this one in its place."""
    needs = best.needs[at]
    if found is None or needs.copies > 1:
        return
    for name in needs.possible:
        host = _host(best, name)
        for place, other in enumerate(best.needs):
            bit = 1 << place
            if not found.models[host] & bit or not _fits(
                best, host, found.models[host] & ~bit | 1 << at
            ):
                continue
            for new, item in enumerate(best.hosts):
                if (
                    not found.models[new] & bit
                    and other.able(item.name)
                    and _fits(best, new, found.models[new] | bit)
                ):
                    words = f"with `{other.name}` on `{item.name}` it fits on `{name}`"
                    yield Move(other.name, item.name, words)
                    return


def _host(best: Best, name: str) -> int:
    return next(at for at, host in enumerate(best.hosts) if host.name == name)


def _fits(best: Best, host: int, models: int) -> bool:
    try:
        return best.known.fits(host, models)
    except AskedEnough:
        return False

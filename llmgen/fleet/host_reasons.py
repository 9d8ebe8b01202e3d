"""Why a model is on its hosts and not on ones that stand before them in its list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from llmgen.fleet.needs import Choosing, HostRoom, ModelNeeds
from llmgen.units import show_size

# So many hosts that were passed over are told.
_TOLD = 3


def reasons(choosing: Choosing, placed: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """(model, sentence) for each model for which llm.toml leaves a choice."""
    there = beside(placed)
    for item in choosing.needs:
        if item.open:
            on = placed[item.name]
            passed = [name for name in item.hosts[: item.hosts.index(on[-1])] if name not in on]
            why = [_why(choosing, item, name, there, on[-1]) for name in passed[:_TOLD]]
            if len(passed) > _TOLD:
                why.append(f"{len(passed) - _TOLD} more hosts before it were passed over")
            said = ", ".join(_once(why)) or _first(on)
            yield item.name, f"{item.name} on {' and '.join(on)}: {said}"


def beside(placed: Mapping[str, tuple[str, ...]]) -> Mapping[str, frozenset[str]]:
    """The models of each host that has any."""
    there: dict[str, set[str]] = {}
    for model, names in placed.items():
        for name in names:
            there.setdefault(name, set()).add(model)
    return {name: frozenset(models) for name, models in there.items()}


def left(need: int, host: str, room: HostRoom) -> str:
    """``needs 24.9 GiB, studio has 11.2 GiB left on gpu0 in {a, b}``."""
    if room.why:
        return room.why
    models = f" in {{{', '.join(room.models)}}}" if room.models else ""
    if room.free < need:
        pools = f" on {' and '.join(room.pools)}" if room.pools else ""
        free = f"{show_size(max(0, room.free))} left{pools}"
        return f"needs {show_size(need)}, {host} has {free}{models}"
    return f"does not fit on {host} beside {{{', '.join(room.models)}}}, whatever is left there"


def _first(on: tuple[str, ...]) -> str:
    return "the first of its hosts" if len(on) == 1 else f"the first {len(on)} of its hosts"


def _once(why: Sequence[str]) -> Iterator[str]:
    """What it needs is said again only where that is another number."""
    before = ""
    for sentence in why:
        need, comma, rest = sentence.partition(", ")
        told = need == before and bool(comma)
        yield rest if told else sentence
        before = need if need.startswith("needs ") else ""


def _why(
    choosing: Choosing,
    item: ModelNeeds,
    name: str,
    there: Mapping[str, frozenset[str]],
    on: str,
) -> str:
    if name not in item.possible:
        return f"not on {name}: {never(item, name)}"
    models = there.get(name, frozenset())
    if not choosing.oracle.fits(name, models | {item.name}):
        return left(item.demand[name], name, choosing.oracle.room(name, models))
    more = _more_over(choosing, item, on, name, there)
    if more > 0:
        return f"on {name} {show_size(more)} more could not be in memory at once"
    return f"{name} would do as well, but not every placement was tried"


def never(item: ModelNeeds, host: str) -> str:
    """Why a host cannot have a model at all."""
    return item.never.get(host, "it cannot run there")


def _more_over(
    choosing: Choosing,
    item: ModelNeeds,
    old: str,
    new: str,
    there: Mapping[str, frozenset[str]],
) -> int:
    """Bytes more that cannot be in memory at once, with the model on one host and not the other."""
    budgets = {host.name: host.budget for host in choosing.hosts}

    def over(name: str, models: frozenset[str]) -> int:
        taken = sum(other.demand[name] for other in choosing.needs if other.name in models)
        return max(0, taken - budgets[name])

    was, get = there.get(new, frozenset[str]()), there[old]
    gained = over(new, was | {item.name}) - over(new, was)
    return gained - (over(old, get) - over(old, get - {item.name}))

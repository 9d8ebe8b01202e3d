"""A better placement by one change at a time, or by prices of models, which may prove it best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmgen.fleet.search.first_fit import first_fit
from llmgen.fleet.search.known_fits import AskedEnough
from llmgen.fleet.search.levels import Wanted
from llmgen.fleet.search.neighbours import with_less_over
from llmgen.fleet.search.priced import TooHard, priced
from llmgen.fleet.search.steps import SearchAllowance, SearchedEnough
from llmgen.fleet.search.task import FilledHosts, Task, has_many


def less_over(task: Task, wanted: Sequence[Wanted], found: FilledHosts) -> FilledHosts:
    """A placement near it with fewer bytes over, where there is one."""
    if not found.over or has_many(wanted):
        return found
    try:
        return task.filled(with_less_over(task.hosts, task.needs, task.known, wanted, found.models))
    except AskedEnough:
        return found


def by_prices(task: Task, wanted: Sequence[Wanted], found: FilledHosts) -> tuple[FilledHosts, bool]:
    """A better placement by prices of models, and whether it is the best in every way."""
    if not found.over or has_many(wanted):
        return found, False
    own = SearchAllowance(task.steps.left * 7 // 8)
    before, search = own.left, None
    try:
        every = task.search(wanted, own)
        search = priced(every.levels, task.known, own, wanted, task.grain)
        if search is None:
            return found, False
        prices, rough = search.mended(found.over)
        for models in rough:
            found = _mended(task, wanted, found, models)
        best = search.found(prices, (found.over // task.grain + 1) * task.grain - 1)
        return (found, False) if best is None else (task.made(every.levels, wanted, best), True)
    except (SearchedEnough, AskedEnough, TooHard):
        if search and search.better and search.better[0] < found.over:
            found = task.made(search.levels, wanted, search.better)
        return found, False
    finally:
        task.steps.left -= before - max(0, own.left)


def _mended(
    task: Task, wanted: Sequence[Wanted], found: FilledHosts, rough: Mapping[int, int]
) -> FilledHosts:
    """What comes of a rough placement, with some models on many hosts and some on none."""
    tried = list(wanted)
    for place, item in enumerate(wanted):
        demand = task.needs[place].demand
        on = [host for host in item.may if rough.get(host, 0) >> place & 1]
        if on:
            host = min(on, key=lambda host: demand[task.hosts[host].name])
            tried[place] = Wanted((*item.must, host))
    models = first_fit(task.hosts, task.needs, task.known, tried)
    if models is None:
        return found
    better = less_over(task, wanted, task.filled(models))
    return better if better.over < found.over else found

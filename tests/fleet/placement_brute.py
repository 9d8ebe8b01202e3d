"""Fleets drawn at random, a planner of several devices that answers at once, and every placement."""

from __future__ import annotations

import random
from itertools import combinations, product

from msgspec import Struct

from llmgen.fleet.needs import Choosing, HostBudget, HostRoom, HostVerdict, ModelNeeds


class Devices(Struct):
    """A planner: a host is devices, a model takes bytes of each; some models never meet.

    Always-on models stand there together, and each on-demand model beside them.
    """

    capacity: dict[str, tuple[int, ...]]
    takes: dict[str, dict[str, tuple[int, ...]]]
    always: frozenset[str]
    together: tuple[frozenset[str], ...] = ()
    asked: list[tuple[str, frozenset[str]]] = []

    def fits(self, host, models):
        self.asked.append((host, models))
        return all(
            sum(self.takes[name][host][at] for name in state) <= capacity
            for state in self._states(models)
            for at, capacity in enumerate(self.capacity[host])
        )

    def verdict(self, host, models):
        # Sums only grow.
        found = self.fits(host, models)
        return HostVerdict(found, found)

    def _states(self, models):
        kept = models & self.always
        yield kept
        for name in models - kept:
            yield kept | {name}
        for wanted in self.together:
            yield kept | (wanted & models)

    def room(self, host, models):
        def free(state):
            return min(
                capacity - sum(self.takes[name][host][at] for name in state)
                for at, capacity in enumerate(self.capacity[host])
            )

        state = min(self._states(models), key=free)
        return HostRoom(free(state), tuple(sorted(state)))


def drawn(seed, hosts=5, models=7, most=2000):
    """A small fleet; ``most`` ways to place it at most, so that all can be looked at."""
    while True:
        found = _drawn(random.Random(seed), hosts, models)
        if ways(found) <= most:
            return found
        seed += 1_000_003


def _drawn(luck, hosts, models):
    names = [f"host{at}" for at in range(luck.randint(1, hosts))]
    kinds = {name: luck.randint(0, 2) for name in names}
    equal = luck.random() < 0.4
    shapes = [tuple(luck.randint(4, 14) for _ in range(luck.randint(1, 3))) for _ in range(3)]
    capacity = {name: shapes[kinds[name]] for name in names}
    top, takes, needs, always = luck.choice((3, 6, 10)), {}, [], set()
    same = luck.random() < 0.5
    share = luck.random()
    for number in range(luck.randint(1, models)):
        model = f"m{number}"
        if luck.random() < share:
            always.add(model)
        by_kind = {kind: tuple(luck.randint(0, top) for _ in shapes[kind]) for kind in (0, 1, 2)}
        size = luck.randint(1, 9)
        takes[model] = {
            name: by_kind[kinds[name]]
            if equal or not same
            else tuple(min(size, part) for part in by_kind[kinds[name]])
            for name in names
        }
        demand = {name: size if same else sum(takes[model][name]) for name in names}
        never = {
            name: "its compute capability is too low" for name in names if luck.random() < 0.07
        }
        allowed = names if luck.random() < 0.6 else luck.sample(names, luck.randint(1, len(names)))
        copies = 1 if luck.random() < 0.75 else luck.randint(1, len(allowed))
        if luck.random() < 0.15:
            allowed, copies = luck.sample(names, 1), 1
        certain = luck.random() < 0.5
        needs.append(
            ModelNeeds(
                model,
                tuple(allowed),
                demand,
                copies,
                always=model in always,
                never=never,
                least={name: sum(takes[model][name]) for name in names} if certain else {},
            )
        )
    together = tuple(
        frozenset(luck.sample([*takes], min(len(takes), 2))) for _ in range(luck.randint(0, 1))
    )
    return Choosing(
        [
            HostBudget(name, sum(capacity[name]), f"{kinds[name]}" if equal else "")
            for name in names
        ],
        needs,
        Devices(capacity, takes, frozenset(always), together, []),
    )


def choices(item):
    return [*combinations(item.possible, item.copies)]


def ways(choosing):
    number = 1
    for item in choosing.needs:
        number *= max(1, len(choices(item)))
    return number


def over(choosing, chosen):
    """Bytes that cannot be in memory at once."""
    total = 0
    for host in choosing.hosts:
        taken = sum(
            item.demand[host.name]
            for item, on in zip(choosing.needs, chosen, strict=True)
            if host.name in on
        )
        total += max(0, taken - host.budget)
    return total


def fits(choosing, chosen):
    return all(
        choosing.oracle.fits(
            host.name,
            frozenset(
                item.name
                for item, on in zip(choosing.needs, chosen, strict=True)
                if host.name in on
            ),
        )
        for host in choosing.hosts
    )


def brute(choosing):
    """(bytes over, hosts of each model) of the best placement among all; None where none fits."""
    found = None
    # The product is in the documented order already, so the first of equals is the best.
    for chosen in product(*map(choices, choosing.needs)):
        now = over(choosing, chosen)
        if (found is None or now < found[0]) and fits(choosing, chosen):
            found = now, chosen
    return found

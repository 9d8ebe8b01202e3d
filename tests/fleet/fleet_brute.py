"""The best of all assignments of a drawn fleet, by the one-host planner and by sums of bytes.

Where a host's models take what they take whoever is beside them, sums of bytes tell what fits;
else each set of models is planned as an ordinary llm.toml.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

from fleets_drawn import LOCKED, Drawn, shape
from msgspec import Struct, field

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.errors import LlmgenError
from llmgen.plan.place import place
from llmgen.resolve import resolve

FACTS = {ref: shape(name) for ref, name in LOCKED.items()}


class TooMany(Exception):
    """More assignments than are looked at."""


@lru_cache(maxsize=50_000)
def planned(text):
    """(bytes of each pool, keep, pin) of each model; None where refused."""
    try:
        plan = place(resolve(load([parse("llm.toml", text)]), FACTS))
    except LlmgenError:
        return None
    return {
        item.name.removeprefix("lab/"): (item.footprint, str(item.keep), item.model.pin)
        for item in plan.placements
    }


class Brute(Struct):
    """What each host holds, asked once."""

    fleet: Drawn
    known: dict = field(default_factory=dict)
    steps: int = 5_000
    plans: int = 30

    def alone(self, host, name):
        """What the model takes of each pool there, by itself; None where it cannot be."""
        key = host, name
        if key not in self.known:
            # The same model under another name, in another fleet, is planned once.
            text = self.fleet.alone(host, {name}).replace(f"[models.{name}]", "[models.m]")
            found = planned(text)
            self.known[key] = found and found["m"]
        return self.known[key]

    def fits(self, host, models):
        """Whether the host holds these models."""
        key = host, frozenset(models)
        if key not in self.known:
            self.known[key] = self._fits(host, key[1])
        return self.known[key]

    def _fits(self, host, models):
        if any(self.alone(host, name) is None for name in models):
            # Alone it must fit as well, but for shares that follow from the others.
            return self._is_open(host, models) and self.planned(host, models)
        if self.is_plain(host, models):
            return self.by_sums(host, models)
        return self.planned(host, models)

    def planned(self, host, models):
        """Whether the one-host planner takes them."""
        self.plans -= 1
        if self.plans < 0:
            raise TooMany
        return planned(self.fleet.alone(host, models)) is not None

    def _is_open(self, host, models):
        return any(self.fleet.open(host, name) for name in models)

    def is_plain(self, host, models):
        """Whether sums of bytes tell all: no open value, llama-swap's matrix, no names or ports."""
        own = self.fleet.own[host]
        tables = [self.fleet.models[name] for name in models]
        twice = any(sum(key in table for table in tables) > 1 for key in ("default", "port"))
        other = {"services", "plan", "budget"} & {*own}
        return not (other or twice or self._is_open(host, models))

    def by_sums(self, host, models):
        """Always-on and pinned ones with each other one, and every set that must fit."""
        budgets = self.fleet.machines[host].budgets
        sizes = {name: self.alone(host, name) for name in models}
        kept = {name for name, (_, keep, pin) in sizes.items() if keep == "always" or pin}
        plan = self.fleet.common.get("plan", {})
        preload = {n for n in models if self.fleet.models[n].get("preload")}
        states = [kept, kept | preload, *(kept | {name} for name in models)]
        states += [kept | ({*group} & models) for group in plan.get("together", ())]
        quarrels = [{*group} for group in plan.get("never_together", ())]
        return all(
            sum(sizes[name][0][pool] for name in state) <= budget
            for state in states
            for pool, budget in budgets.items()
        ) and not any(len(state & group) > 1 for state in states for group in quarrels)

    def taken(self, host, name):
        """Bytes that are compared with the host's."""
        key = host, name, "taken"
        if key not in self.known:
            sizes = self.alone(host, name)
            pools = self.fleet.machines[host].counted
            self.known[key] = sum(sizes[0][pool] for pool in pools) if sizes else 0
        return self.known[key]

    def over(self, chosen):
        """Bytes that cannot be in memory at once."""
        taken = dict.fromkeys(self.fleet.machines, 0)
        for name, on in chosen.items():
            taken = self._with(taken, name, on)
        return self._beyond(taken)

    def _with(self, taken, name, on):
        return {**taken, **{host: taken[host] + self.taken(host, name) for host in on}}

    def _beyond(self, taken):
        return sum(max(0, size - self.room[host]) for host, size in taken.items())

    @property
    def room(self):
        """Bytes of each host that are compared."""
        if "room" not in self.known:
            self.known["room"] = {
                host: sum(machine.budgets[pool] for pool in machine.counted)
                for host, machine in self.fleet.machines.items()
            }
        return self.known["room"]

    def fits_all(self, chosen):
        """Whether every host holds what it is given."""
        return all(
            self.fits(host, {name for name, on in chosen.items() if host in on})
            for host in self.fleet.machines
        )

    def best(self):
        """(bytes over, hosts of each model), first of the best; None where nothing fits."""
        found = []
        self._best([*self.fleet.wanted], {}, dict.fromkeys(self.fleet.machines, 0), found)
        return found[-1] if found else None

    def _best(self, left, chosen, taken, found):
        self.steps -= 1
        if self.steps < 0:
            raise TooMany
        now = self._beyond(taken)
        if found and now >= found[-1][0]:
            return
        if not left:
            if self.fits_all(chosen):
                found.append((now, dict(chosen)))
            return
        name, *rest = left
        for on in choices(*self.fleet.wanted[name]):
            tried = {**chosen, name: on}
            if self._can(tried, on):
                self._best(rest, tried, self._with(taken, name, on), found)

    def _can(self, chosen, on):
        """No sum gets smaller by more models; what is planned whole is asked of at the end."""
        for host in on:
            models = {name for name, at in chosen.items() if host in at}
            if self.is_plain(host, models) and not self.fits(host, models):
                return False
        return True


def choices(hosts, copies):
    """Which of its hosts have a model."""
    return combinations(hosts, copies)

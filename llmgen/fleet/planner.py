"""The planner of every host, asked which models it holds: what the search for hosts goes by."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from llmgen.config.tables.hosts import LAID_OVER
from llmgen.errors import LlmgenError
from llmgen.fleet.ground import FleetGround, library_of, typed
from llmgen.fleet.needs import Choosing, HostBudget, HostRoom, HostVerdict, ModelNeeds
from llmgen.fleet.origin import told_of
from llmgen.fleet.project import Elsewhere, ServerTable, external, project
from llmgen.fleet.seats import Wish
from llmgen.library import Keep, Library, Model
from llmgen.plan.attempt import GROUPS, Attempt, attempt
from llmgen.plan.plan import Pool
from llmgen.plan.ports import ports
from llmgen.plan.scale import Scale, scale
from llmgen.plan.splits import is_left_out

# Tables of a host in which two may differ without the planner noticing.
_OF_NO_MATTER = ("paths",)
_NEVER: Final = HostVerdict(fits=False, may=False)
# Some of a host's models, resolved.
Of: TypeAlias = Callable[[tuple[str, ...]], Library]


class Planner(Struct, frozen=True):
    """One host with all models that it may have; ``never`` says why it cannot have the others.

    ``apart`` resolves some of them, where all at once would contradict each other.
    """

    library: Library
    weigh: Scale
    names: Mapping[str, Model]
    never: Mapping[str, str] = field(default_factory=dict)
    apart: Of | None = None

    @property
    def pools(self) -> tuple[Pool, ...]:
        """The memory that models are on: the devices', or the host's where there are none."""
        first, *devices = self.weigh.pools
        if not devices:
            return (first,)
        # Of one shared memory the narrowest limit counts, not their sum.
        narrow = min(self.weigh.pools, key=lambda pool: pool.budget_bytes)
        return (narrow,) if self.library.machine.unified else tuple(devices)

    @property
    def budget(self) -> int:
        """Bytes that models may use there."""
        return sum(pool.budget_bytes for pool in self.pools)

    def tried(self, models: Collection[str]) -> Attempt:
        """These models planned; LlmgenError where one of them would not even start."""
        library = self._of(models)
        ports(library)
        return attempt(library, self.weigh.of(library))

    def _of(self, models: Collection[str]) -> Library:
        if self.apart is not None:
            return self.apart(tuple(name for name in self.names if name in models))
        mine = {*map(self.called, models)}
        return replace(
            self.library, models=tuple(item for item in self.library.models if item.name in mine)
        )

    def called(self, name: str) -> str:
        """A model's name there: with the prefix of [naming]."""
        return self.library.prefix + name

    def verdict(self, models: Collection[str]) -> HostVerdict:
        """Whether a plan of these models stands; by an override it does whatever it sums up to."""
        if not self.names.keys() >= {*models}:
            return _NEVER
        try:
            wrong = self.tried(models).wrong
        except LlmgenError:
            return _NEVER
        if self.library.config.budget.override:
            # It may be overfull; who loads what has to be said nevertheless.
            wrong &= {GROUPS}
        # Groups that cannot say what fits sometimes can with one model more.
        return HostVerdict(not wrong, not wrong - {GROUPS})

    def demand(self, name: str) -> int | str:
        """Bytes that a model takes there when it is alone; else why it is never there."""
        if name in self.never:
            return self.never[name]
        try:
            found = self.tried([name])
        except LlmgenError as error:
            return error.diagnostics[0].message
        own = self.called(name)
        sizes = self.weigh.footprint(found.library.model(own), found.settled[own].settings)
        return sum(sizes.get(pool.name, 0) for pool in self.pools)

    def room(self, models: Collection[str]) -> HostRoom:
        """What is left beside these models, in the state in which that is least."""
        try:
            found = self.tried(models)
        except LlmgenError as error:
            return HostRoom(0, tuple(models), error.diagnostics[0].message)
        numbers, names = found.stack, [pool.name for pool in self.pools]
        sizes = {name: sum(item.get(p, 0) for p in names) for name, item in numbers.demand.items()}
        loose = {name: size for name, size in sizes.items() if name not in numbers.pinned}
        largest = sorted(loose, key=lambda name: (-loose[name], name))[:1]
        state = numbers.ordered({*numbers.pinned, *largest})
        used = numbers.sums(state)
        free = self.budget - sum(used[name] for name in names)
        prefix = self.library.prefix
        told = (name.removeprefix(prefix) for name in (*numbers.always, *state))
        return HostRoom(max(0, free), tuple(told), pools=tuple(names))


class Planners(Struct, frozen=True):
    """Every host's planner; hosts that are alike have the same one."""

    of: Mapping[str, Planner]

    def fits(self, host: str, models: frozenset[str]) -> bool:
        """Whether the host holds these models."""
        return self.verdict(host, models).fits

    def verdict(self, host: str, models: frozenset[str]) -> HostVerdict:
        """Whether it holds them, and whether it may."""
        return self.of[host].verdict(models)

    def room(self, host: str, models: frozenset[str]) -> HostRoom:
        """What the host has left for another model beside these."""
        return self.of[host].room(models)


def choosing(
    ground: FleetGround, wishes: Mapping[str, Wish], *, everywhere: bool = False
) -> Choosing:
    """What there is to choose: with ``everywhere`` also what llm.toml does not allow."""
    config = ground.config
    kinds = {name: _kind(ground, name) for name in config.hosts}
    made: dict[tuple[str, tuple[str, ...]], Planner] = {}
    planners = {}
    for host in config.hosts:
        names = tuple(n for n, wish in wishes.items() if everywhere or host in wish.hosts)
        key = (kinds[host], names)
        if key not in made:
            made[key] = _planner(ground, host, names)
        planners[host] = made[key]
    demands = {
        id(item): {n: item.demand(n) for n in (*item.names, *item.never)} for item in made.values()
    }
    alike = {(kinds[h], id(planners[h])): h for h in reversed(config.hosts)}
    return Choosing(
        [
            HostBudget(name, item.budget, alike[kinds[name], id(item)])
            for name, item in planners.items()
        ],
        [_needs(wish, planners, demands) for wish in wishes.values()],
        Planners(planners),
    )


def _needs(
    wish: Wish, planners: Mapping[str, Planner], demands: Mapping[int, Mapping[str, int | str]]
) -> ModelNeeds:
    name = wish.name
    known = {h: told[name] for h, item in planners.items() if name in (told := demands[id(item)])}
    demand = {host: size for host, size in known.items() if isinstance(size, int)}
    never = {host: why for host, why in known.items() if isinstance(why, str)}
    models = {host: item.names[name] for host, item in planners.items() if name in item.names}
    always = bool(models) and all(model.keep is Keep.ALWAYS for model in models.values())
    # What may be overfull holds more than there is.
    strict = {h for h, item in planners.items() if not item.library.config.budget.override}
    # On several cards a model takes more or less, by how its layers are divided there.
    settled = {h for h, model in models.items() if not (model.open or is_left_out(model))}
    certain = {host: size for host, size in demand.items() if host in strict & settled}
    return ModelNeeds(
        name, wish.hosts, demand, wish.copies, always, never, certain if always else {}
    )


def _planner(ground: FleetGround, host: str, names: tuple[str, ...]) -> Planner:
    """A host with all of these models at once; one that cannot be there is named."""

    def of(some: tuple[str, ...]) -> Library:
        return _library(ground, host, some)

    never: dict[str, str] = {}
    left = names
    while True:
        try:
            return replace(_of_all(of(left)), never=never)
        except LlmgenError as error:
            # Only those are asked of alone that something is said of.
            more = dict(_never(of, [name for name in left if name in _named(error, ground)]))
        if not more:
            return _apart(ground, host, of, left, never)
        never |= more
        left = tuple(name for name in left if name not in more)


def _apart(
    ground: FleetGround, host: str, of: Of, names: Sequence[str], never: Mapping[str, str]
) -> Planner:
    """The planner of models that cannot all be resolved at once."""
    never = {**never, **dict(_never(of, names))}
    alone = {name: _of_all(of((name,))).names[name] for name in names if name not in never}
    try:
        library = of(())
    except LlmgenError as error:
        # Without any model it is the host itself.
        told = [told_of(item, host, ground.document) for item in error.diagnostics]
        raise type(error)(told) from None
    return Planner(library, scale(library), alone, never, of)


def _never(of: Of, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Models that cannot be resolved on the host even alone, and why."""
    for name in names:
        try:
            of((name,))
        except LlmgenError as error:
            yield name, error.diagnostics[0].message


def _named(error: LlmgenError, ground: FleetGround) -> set[str]:
    """The models that a refusal is about."""
    prefix = ground.config.naming.prefix
    keys = (item.key for item in error.diagnostics)
    return {str(key[1]).removeprefix(prefix) for key in keys if len(key) > 1 and key[0] == "models"}


def _of_all(library: Library) -> Planner:
    """A planner that leaves out what it is not asked of."""
    names = {item.name.removeprefix(library.prefix): item for item in library.models}
    return Planner(library, scale(library), names)


# Where models are that are not on the host makes no difference to its memory.
_SOMEWHERE: Final[tuple[ServerTable, ...]] = ({"endpoint": "http://127.0.0.1:1"},)


def _library(ground: FleetGround, host: str, names: tuple[str, ...]) -> Library:
    others = {
        name: external(Elsewhere((name,), table.role), _SOMEWHERE, default=False)
        for name, table in ground.config.models.items()
        if table.enable and name not in names
    }
    mine = project(ground.document, host, dict.fromkeys(names, (host,)), others, ground.doors[host])
    if host in ground.rpc:
        mine["rpc"] = ground.rpc[host]
    return library_of(typed(mine, host, ground.document), ground.lock)


def _kind(ground: FleetGround, name: str) -> str:
    """What the planner knows of a host, as one text: its tables, what it lends and borrows."""
    host = ground.document["hosts"][name]
    told = {
        key: value
        for key, value in host.items()
        if key in (*LAID_OVER, "models") and key not in _OF_NO_MATTER
    }
    return json.dumps([told, ground.rpc.get(name)], sort_keys=True)

"""From the whole llm.toml to a fleet: who serves what, then each host as a stack of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from msgspec.structs import replace

from llmgen.config.config import Config
from llmgen.config.editions import EDITIONS
from llmgen.errors import Diagnostic, LlmgenError, PlanError
from llmgen.facts.lock_model import Lock
from llmgen.fleet import rpc, rpc_uses, sleeping_hosts
from llmgen.fleet.assignment import advised, seated
from llmgen.fleet.fleet import Fleet, Member
from llmgen.fleet.ground import FleetGround, alone, ground_of, library_of, refuse, typed
from llmgen.fleet.numbers_elsewhere import NumbersElsewhere, numbers
from llmgen.fleet.origin import told_of
from llmgen.fleet.project import Document, Elsewhere, ModelSeats, external, project
from llmgen.fleet.reach import defaults, kind_of_way, servers, spares, unreached, untrusted
from llmgen.fleet.seats import fixed, wishes
from llmgen.machine import machine
from llmgen.plan.place import place
from llmgen.plan.plan import Plan
from llmgen.resolve import table_rules

Made = TypeVar("Made")


def fleet(config: Config, document: Document, lock: Lock) -> Fleet:
    """Every host planned; the first class of errors of all hosts together, each with its host."""
    ground = ground_of(config, document, lock)
    # Devices that hosts lend each other are held before anything is chosen beside them.
    ground = joined(ground, fixed(wishes(config)))
    seats, reasons, notes = seated(ground)
    refuse(unreached(ground, seats))
    refuse(untrusted(ground, seats))
    # What was chosen beside a borrower may have moved more of its model to the lender.
    ground = joined(ground, seats)
    first = views(ground, seats, _elsewhere(ground, seats))
    try:
        plans = _each(first, ground, lambda _, made: planned(made[1], lock))
    except PlanError as error:
        raise PlanError([advised(item, ground, seats) for item in error.diagnostics]) from None
    # Contexts and slots of other hosts' models are known now; nothing of a plan hangs on them.
    prefix = config.naming.prefix
    known = NumbersElsewhere(
        {name: numbers(plans[hosts[0]], prefix + name) for name, hosts in seats.items()}
    )
    members = {
        name: known.known_by(Member(name, *made, plans[name])) for name, made in first.items()
    }
    return Fleet(members, seats, reasons, notes)


def joined(ground: FleetGround, seats: ModelSeats) -> FleetGround:
    """The ground with what hosts lend each other; PlanError where a borrower does not fit."""
    lenders = dict(_lenders(ground))
    refuse(rpc.absent(lenders))
    found = rpc_uses.uses(ground.document, seats) if lenders else ()
    if not found:
        return ground
    elsewhere = _elsewhere(ground, seats)

    def plan(name: str, table: Document) -> Plan:
        told = replace(ground, rpc={name: table})
        view = {name: view_of(told, name, seats, elsewhere[name])}
        return _each(view, ground, lambda _, made: planned(made[1], ground.lock))[name]

    return replace(ground, rpc=rpc.tables(ground.config, found, lenders, plan))


def _lenders(ground: FleetGround) -> Iterator[tuple[str, rpc.Lender]]:
    for name, host in ground.config.hosts.items():
        if host.rpc is not None:
            own = typed(alone(ground.document, name), name, ground.document)
            build = own.llama_cpp.build or EDITIONS[own.edition].build
            yield name, rpc.Lender(host, host.rpc, machine(own.hardware, own.budget), build)


def views(
    ground: FleetGround, seats: ModelSeats, elsewhere: Mapping[str, Mapping[str, Document]]
) -> dict[str, tuple[Document, Config]]:
    """The document of every host, and its typed config."""
    return {name: view_of(ground, name, seats, elsewhere[name]) for name in ground.config.hosts}


def view_of(
    ground: FleetGround, name: str, seats: ModelSeats, elsewhere: Mapping[str, Document]
) -> tuple[Document, Config]:
    """The document of one host, and its typed config."""
    reached = ground.doors[name] if _is_reached(ground.config, name) else None
    routes = ground.doors[name].routes and ground.config.hosts[name].routes
    others = spares(ground, name, seats) if routes else {}
    mine = project(
        ground.document, name, seats, elsewhere if routes else {}, reached, spares=others
    )
    if name in ground.rpc:
        mine["rpc"] = ground.rpc[name]
    return mine, ground.shared.config_of(mine, name, ground.document)


def planned(config: Config, lock: Lock) -> Plan:
    """A host's plan; PlanError when it does not fit."""
    return place(library_of(config, lock))


def _each(
    given: Mapping[str, tuple[Document, Config]],
    ground: FleetGround,
    make: Callable[[str, tuple[Document, Config]], Made],
) -> dict[str, Made]:
    """Something of each host; errors of all hosts are told together, as far as they are alike."""
    made, errors = {}, []
    for name, item in given.items():
        try:
            made[name] = make(name, item)
        except LlmgenError as error:
            told = [told_of(found, name, ground.document) for found in error.diagnostics]
            errors.append(type(error)(told))
    if errors:
        kind = type(errors[0])
        raise kind([d for error in errors if type(error) is kind for d in error.diagnostics])
    return made


def _is_reached(config: Config, host: str) -> bool:
    """Whether other hosts have something to ask of it."""
    return len(config.hosts) > 1 and "address" in config.hosts[host].model_fields_set


def _elsewhere(ground: FleetGround, seats: ModelSeats) -> dict[str, dict[str, Document]]:
    """For each host the models that it does not have."""
    outside = {name: _outside(ground, name, seats[name]) for name in seats}
    # Hosts that reach a model alike share its table: there may be many of both.
    made: dict[tuple[str, object, bool], Document] = {}
    found: dict[str, dict[str, Document]] = {}
    for host in ground.config.hosts:
        marked, way = defaults(ground, host, seats), kind_of_way(ground, host)
        found[host] = {}
        for name in (name for name in seats if host not in seats[name]):
            item = outside[name]
            default = item.default and item.role not in marked
            # Of two machines' defaults the first in llm.toml is that of all others.
            marked |= {item.role} if default else set()
            key = (name, way, default)
            if key not in made:
                there = [*servers(ground, host, seats[name])]
                made[key] = external(item, there, default=default)
            found[host][name] = made[key]
    return found


def _outside(ground: FleetGround, name: str, hosts: tuple[str, ...]) -> Elsewhere:
    table = ground.config.models[name]
    prefix = ground.config.naming.prefix
    variants = (
        one for key, variant in table.variants.items() for one in (prefix + key, *variant.aliases)
    )
    return Elsewhere(
        names=(name, *table.aliases, *variants),
        role=table.role,
        default=table.default,
        # The router knows its models by their own names alone.
        known_as=prefix + name if any(ground.doors[h].kind == "router" for h in hosts) else "",
        wake=sleeping_hosts.told(ground.config, hosts[0]),
        fallbacks=table.fallbacks,
        context_window_fallbacks=table.context_window_fallbacks,
    )


def judged(config: Config, document: Document) -> Iterator[Diagnostic]:
    """What is wrong or doubtful on any host, as far as no facts of models are needed."""
    ground = ground_of(config, document, Lock())
    seats = {name: wish.hosts[: wish.copies] for name, wish in wishes(config).items()}
    refuse(unreached(ground, seats))
    for name, (_, own_config) in views(ground, seats, _elsewhere(ground, seats)).items():
        of_host = machine(own_config.hardware, own_config.budget)
        for item in table_rules.findings(own_config, of_host):
            yield told_of(item, name, document)

"""From the whole llm.toml to a fleet: who serves what, then each host as a stack of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace
from pydantic import ValidationError

from llmgen.config.editions import EDITIONS
from llmgen.config.load import validated
from llmgen.config.model import Config
from llmgen.errors import ConfigError, Diagnostic, LlmgenError
from llmgen.facts.lock_model import Lock
from llmgen.fleet import rpc, rpc_uses
from llmgen.fleet.door import Door, door
from llmgen.fleet.model import Fleet, Member
from llmgen.fleet.origin import told_of
from llmgen.fleet.project import Document, Elsewhere, Seats, own, project
from llmgen.fleet.seats import findings, fixed, wishes
from llmgen.gateway.addresses import loopback
from llmgen.library import Library
from llmgen.machine import machine
from llmgen.plan.model import Plan
from llmgen.plan.place import place
from llmgen.resolve import meaning, resolve

Made = TypeVar("Made")


class Ground(Struct, frozen=True):
    """What every step needs: the whole file, typed and as it is written, and its lock.

    ``rpc`` is the [rpc] of each host, where models use devices of others.
    """

    config: Config
    document: Document
    lock: Lock
    doors: Mapping[str, Door]
    rpc: Mapping[str, Document] = field(default_factory=dict)


def fleet(config: Config, document: Document, lock: Lock) -> Fleet:
    """Every host planned; the first class of errors of all hosts together, each with its host."""
    ground = ground_of(config, document, lock)
    seats = fixed(wishes(config))
    _refuse(_unreached(ground, seats))
    ground = joined(ground, seats)
    first = views(ground, seats, _elsewhere(ground, seats))
    plans = _each(first, ground, lambda _, made: planned(made[1], lock))
    # Contexts and slots of other hosts' models are known now; nothing of a plan hangs on them.
    told = views(ground, seats, _elsewhere(ground, seats, plans))
    members = _each(
        told,
        ground,
        lambda name, made: Member(name, *made, _knowing(plans[name], made[1], lock)),
    )
    return Fleet(members, seats)


def ground_of(config: Config, document: Document, lock: Lock) -> Ground:
    """The doors of all hosts; ConfigError for what [hosts] and `host` say wrongly."""
    _refuse(chain(findings(config), rpc_uses.findings(config, document)))
    doors = {}
    for name in config.hosts:
        doors[name] = door(typed(_alone(document, name), name, document))
    return Ground(config, document, lock, doors)


def joined(ground: Ground, seats: Seats) -> Ground:
    """The ground with what hosts lend each other; PlanError where a borrower does not fit."""
    lenders = dict(_lenders(ground))
    _refuse(rpc.absent(lenders))
    found = rpc_uses.uses(ground.document, seats) if lenders else ()
    if not found:
        return ground
    elsewhere = _elsewhere(ground, seats)

    def plan(name: str, table: Document) -> Plan:
        told = replace(ground, rpc={name: table})
        view = {name: _view(told, name, seats, elsewhere[name])}
        return _each(view, ground, lambda _, made: planned(made[1], ground.lock))[name]

    return replace(ground, rpc=rpc.tables(ground.config, found, lenders, plan))


def _lenders(ground: Ground) -> Iterator[tuple[str, rpc.Lender]]:
    for name, host in ground.config.hosts.items():
        if host.rpc is not None:
            own = typed(_alone(ground.document, name), name, ground.document)
            build = own.llama_cpp.build or EDITIONS[own.edition].build
            yield name, rpc.Lender(host, host.rpc, machine(own.hardware, own.budget), build)


def _alone(document: Document, name: str) -> Document:
    """A host without its models."""
    return {**own(document, name), "models": {}}


def views(
    ground: Ground, seats: Seats, elsewhere: Mapping[str, Mapping[str, Elsewhere]]
) -> dict[str, tuple[Document, Config]]:
    """The document of every host, and its typed config."""
    return {name: _view(ground, name, seats, elsewhere[name]) for name in ground.config.hosts}


def _view(
    ground: Ground, name: str, seats: Seats, elsewhere: Mapping[str, Elsewhere]
) -> tuple[Document, Config]:
    reached = ground.doors[name] if _is_reached(ground.config, name) else None
    mine = project(ground.document, name, seats, elsewhere, reached)
    if name in ground.rpc:
        mine["rpc"] = ground.rpc[name]
    return mine, typed(mine, name, ground.document)


def typed(mine: Document, host: str, document: Mapping[str, Any]) -> Config:
    """The config of a host's document; its mistakes are those that only the overlay has."""
    try:
        return validated(mine)
    except ValidationError as error:
        from llmgen.config.mistakes import diagnostics  # noqa: PLC0415 - only for mistakes

        found = diagnostics(error, ())
        raise ConfigError([told_of(item, host, document) for item in found]) from None
    except ConfigError as error:
        raise ConfigError([told_of(i, host, document) for i in error.diagnostics]) from None


def library_of(config: Config, lock: Lock) -> Library:
    """A host's config joined with the lock of all."""
    measured = {ref: entry.measured for ref, entry in lock.entries.items() if entry.measured}
    return resolve(config, lock.facts, measured, lock.runs, lock.checkpoints)


def planned(config: Config, lock: Lock) -> Plan:
    """A host's plan; PlanError when it does not fit."""
    return place(library_of(config, lock))


def _knowing(plan: Plan, config: Config, lock: Lock) -> Plan:
    """The same plan for the config that knows more of the others' models."""
    library = library_of(config, lock)
    return replace(
        plan, library=replace(plan.library, config=library.config, external=library.external)
    )


def _each(
    given: Mapping[str, tuple[Document, Config]],
    ground: Ground,
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


def _elsewhere(
    ground: Ground, seats: Seats, plans: Mapping[str, Plan] | None = None
) -> dict[str, dict[str, Elsewhere]]:
    """For each host the models that it does not have."""
    found = {name: _outside(ground, name, seats[name], plans) for name in seats}
    return {
        host: {name: item for name, item in found.items() if host not in seats[name]}
        for host in ground.config.hosts
    }


def _outside(
    ground: Ground, name: str, hosts: tuple[str, ...], plans: Mapping[str, Plan] | None
) -> Elsewhere:
    table, first = ground.config.models[name], ground.config.hosts[hosts[0]]
    prefix = ground.config.naming.prefix
    variants = (
        one for key, variant in table.variants.items() for one in (prefix + key, *variant.aliases)
    )
    placed = plans[hosts[0]].placement(prefix + name) if plans else None
    return Elsewhere(
        url=ground.doors[hosts[0]].url(first.address),
        names=(name, *table.aliases, *variants),
        role=table.role,
        key=first.key.model_dump(exclude_none=True) if first.key else None,
        slots=max(0, placed.settings.parallel) if placed else 0,
        ctx_size=placed.estimate.n_ctx_seq or 0 if placed else 0,
        fallbacks=table.fallbacks,
        context_window_fallbacks=table.context_window_fallbacks,
    )


def _unreached(ground: Ground, seats: Seats) -> Iterator[Diagnostic]:
    """Hosts with models for others, and nothing that the others may talk to."""
    config = ground.config
    serving = dict.fromkeys(host for hosts in seats.values() for host in hosts)
    for name in serving if len(config.hosts) > 1 else ():
        host, way = config.hosts[name], ground.doors[name]
        if "address" not in host.model_fields_set:
            yield Diagnostic(
                "hosts.no-address",
                f"`{name}` serves models, and the other hosts do not know its address",
                ("hosts", name),
                hint='`address = "ADDRESS"` in its table; "127.0.0.1" for a machine of several',
            )
        elif way.kind == "":
            yield Diagnostic(
                "hosts.no-door",
                f"the models of `{name}` are reached by nobody else: each of its servers listens "
                "on loopback",
                ("hosts", name),
                hint=f'`on_demand = "llama_swap"` in [hosts.{name}.services], or '
                f"[hosts.{name}.gateway.envoy]",
            )
        elif host.key is None and not loopback(host.address):
            yield Diagnostic(
                "hosts.no-key",
                f"the other hosts reach `{name}` at `{host.address}`, and anyone else would, too",
                ("hosts", name, "address"),
                hint=f"`key = {{ env = {_variable(name)} }}` in [hosts.{name}]: what its servers "
                "ask of the others",
            )


def _variable(host: str) -> str:
    """A name for the variable with a host's key, as TOML writes it."""
    return '"' + re.sub(r"[^A-Z0-9]+", "_", host.upper()) + '_KEY"'


def _refuse(found: Iterator[Diagnostic]) -> None:
    errors = [*found]
    if errors:
        raise ConfigError(errors)


def judged(config: Config, document: Document) -> Iterator[Diagnostic]:
    """What is wrong or doubtful on any host, as far as no facts of models are needed."""
    ground = ground_of(config, document, Lock())
    seats = fixed(wishes(config))
    _refuse(_unreached(ground, seats))
    for name, (_, own_config) in views(ground, seats, _elsewhere(ground, seats)).items():
        of_host = machine(own_config.hardware, own_config.budget)
        for item in meaning.findings(own_config, of_host):
            yield told_of(item, name, document)

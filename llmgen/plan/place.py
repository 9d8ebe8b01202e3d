"""Library to Plan: settings settled, models placed, engines derived, every state proved to fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from llmgen.errors import Diagnostic, PlanError, Severity
from llmgen.library import Keep, Library, Model
from llmgen.plan import command
from llmgen.plan.advise import Advice, Adviser, Tried
from llmgen.plan.changes import closed
from llmgen.plan.derive import SYMBOLIC_SINCE, groups, matrix, router
from llmgen.plan.model import Engine, Headroom, Placement, Plan, Pool, Router, State
from llmgen.plan.ports import ports
from llmgen.plan.requirements import Broken, broken, requirements
from llmgen.plan.residency import group_states, matrix_states, router_states, state
from llmgen.plan.scale import Scale, scale, stack
from llmgen.plan.shortage import contradiction, cramped, router_findings, shortage
from llmgen.plan.solve import Settled, settle
from llmgen.plan.stack import Stack
from llmgen.plan.wishes import unmet

# llama-swap before this version has groups only.
MATRIX_SINCE = 202
# Advice is tried for so many findings; the others say what is missing.
ADVISED = 3


class Residency(Struct, frozen=True):
    """An engine and the states that it can reach."""

    engine: Engine
    states: Sequence[State]


def place(library: Library) -> Plan:
    """The plan; PlanError when it does not fit and llm.toml does not say that it may."""
    weigh = scale(library)
    settled = settle(library, weigh)
    numbers = _stack(library, weigh, settled)
    found = _findings(library, numbers, weigh, settled)
    excuse = library.config.budget.override or ""
    if found and not excuse:
        raise PlanError(found)
    placements = tuple(_placements(library, weigh, settled))
    residency = _residency(library, numbers)
    excused = (replace(item, severity=Severity.WARNING) for item in found)
    return Plan(
        library=library,
        pools=weigh.pools,
        placements=placements,
        engines={library.machine.host: residency.engine},
        states=tuple(residency.states),
        headroom=tuple(headroom(weigh.pools, residency.states)),
        notes=(
            *library.notes,
            *excused,
            *cramped(library, settled),
            *_doubts(placements),
            *unmet(numbers, library.config.plan.wish_together, residency.engine),
        ),
        excused=excuse if found else "",
        ports={item.name: item.port for item in placements if item.port},
    )


def _stack(library: Library, weigh: Scale, settled: Mapping[str, Settled]) -> Stack:
    footprints = {
        model.name: weigh.footprint(model, settled[model.name].settings) for model in library.models
    }
    return stack(library, footprints, weigh.pools)


def _broken(library: Library, numbers: Stack) -> list[Broken]:
    wanted = requirements(numbers, _preloaded(library), _router(library, numbers))
    return broken(numbers, wanted)


def _preloaded(library: Library) -> frozenset[str]:
    return frozenset(
        item.name for item in library.models if item.preload and item.keep is Keep.ON_DEMAND
    )


def _findings(
    library: Library, numbers: Stack, weigh: Scale, settled: Mapping[str, Settled]
) -> list[Diagnostic]:
    """What does not fit, with changes that do: each is planned before it is told."""
    found = _broken(library, numbers)
    told = [*router_findings(numbers, _router(library, numbers), _preloaded(library))]
    told += [contradiction(item, numbers) for item in found if item.quarrel]
    full = [item for item in found if not item.quarrel]
    advice = {item.identity: _advice(library, item, weigh, settled) for item in full[:ADVISED]}
    for item in full:
        # What mends a requirement mends it on every pool, whichever pool led to it.
        same = (advice.get(other.identity) for other in full if other.key == item.key)
        mends = advice.get(item.identity) or next(filter(None, same), [])
        told.append(shortage(item, weigh, numbers, settled, mends))
    return told


def _advice(
    library: Library, item: Broken, weigh: Scale, settled: Mapping[str, Settled]
) -> list[Advice]:
    """Changes that mend it: sought with all other values fixed, then planned with them open."""

    def attempt(other: Library) -> Tried:
        again = weigh.of(other)
        tried = _stack(other, again, settle(other, again))
        return tried, frozenset(item.identity for item in _broken(other, tried))

    fixed = replace(
        library,
        models=tuple(closed(model, settled[model.name].settings) for model in library.models),
    )
    adviser = Adviser(fixed, item.pool, item.requirement.key, attempt)
    suspects = [
        model.name
        for model in library.models
        if model.keep is Keep.ALWAYS or model.name in item.requirement.models
    ]
    return [advice for advice in adviser.advise(suspects) if adviser.holds(advice, library)]


def _router(library: Library, numbers: Stack) -> Router | None:
    services = library.config.services
    if services.on_demand != "router" or not numbers.demand:
        return None
    wanted = services.router.models_max
    if wanted == "auto":
        return router(numbers)
    return Router(min(wanted or len(numbers.demand), len(numbers.demand)))


def _placements(
    library: Library, weigh: Scale, settled: Mapping[str, Settled]
) -> Iterable[Placement]:
    taken = ports(library)
    for model in library.models:
        yield _placement(model, library, weigh, settled[model.name], taken[model.name])


def _doubts(placements: Iterable[Placement]) -> Iterable[Diagnostic]:
    """What the estimates are not sure of, once each."""
    told = {text: item.name for item in reversed([*placements]) for text in item.estimate.warnings}
    for text, name in reversed(told.items()):
        yield Diagnostic(
            "budget.inexact",
            text,
            ("models", name),
            hint=f"`llmgen verify {name}` asks the installed llama.cpp",
            severity=Severity.WARNING,
        )


def _placement(
    model: Model, library: Library, weigh: Scale, settled: Settled, port: int
) -> Placement:
    return Placement(
        model=model,
        host=model.host,
        keep=model.keep,
        settings=settled.settings,
        estimate=weigh.estimate(model, settled.settings),
        footprint=weigh.footprint(model, settled.settings),
        port=port,
        argv=command.argv(model, settled.settings, library, port=port),
        environment=tuple(
            (name, value) for name, value in model.environment.items() if isinstance(value, str)
        ),
        reasons=settled.reasons,
    )


def _residency(library: Library, numbers: Stack) -> Residency:
    """What loads models on demand on this host, and where that can lead."""
    if not numbers.demand:
        return Residency(None, [state(numbers, ())])
    if (limit := _router(library, numbers)) is not None:
        return Residency(limit, router_states(numbers, limit.models_max))
    wish = library.config.plan.engine
    if wish == "groups" or (wish == "auto" and library.swap_version < MATRIX_SINCE):
        return _groups(numbers, strict=wish == "groups")
    derived = matrix(numbers, symbolic=library.swap_version >= SYMBOLIC_SINCE)
    return Residency(derived.matrix, matrix_states(numbers, derived))


def _groups(numbers: Stack, *, strict: bool) -> Residency:
    found = groups(numbers)
    if strict and not found.complete:
        raise PlanError(
            Diagnostic(
                "plan.no-groups",
                "groups cannot say which models fit together here",
                ("plan", "engine"),
                hint='`engine = "matrix"`',
            )
        )
    return Residency(found, group_states(numbers, found))


def headroom(pools: Iterable[Pool], states: Sequence[State]) -> Iterable[Headroom]:
    """The worst state of each pool."""
    for pool in pools:
        worst = max(states, key=lambda item: item.peaks[pool.name])
        yield Headroom(pool, worst.peaks[pool.name], worst.models)

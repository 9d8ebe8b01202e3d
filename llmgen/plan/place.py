"""Library to Plan: settings settled, models placed, engines derived, every state proved to fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from llmgen.errors import Diagnostic, PlanError, Severity
from llmgen.library import Library, Model
from llmgen.plan import process, splits
from llmgen.plan.attempt import Attempt, attempt, router_of
from llmgen.plan.derive import SYMBOLIC_SINCE, groups, matrix
from llmgen.plan.findings import findings
from llmgen.plan.plan import Headroom, OnDemandRules, Placement, Plan, Pool, Reason, State
from llmgen.plan.ports import ports
from llmgen.plan.residency import group_states, matrix_states, router_states, state
from llmgen.plan.scale import Scale, scale
from llmgen.plan.shortage import cramped
from llmgen.plan.solve import Settled
from llmgen.plan.stack import Stack
from llmgen.plan.wishes import unmet

# llama-swap before this version has groups only.
MATRIX_SINCE = 202


class Residency(Struct, frozen=True):
    """An engine and the states that it can reach."""

    engine: OnDemandRules
    states: Sequence[State]


def place(library: Library) -> Plan:
    """The plan; PlanError when it does not fit and llm.toml does not say that it may."""
    tried = attempt(library, scale(library))
    found = [item.diagnostic for item in findings(tried)]
    if found and not library.config.budget.override:
        raise PlanError(found)
    return planned(tried, found)


def planned(tried: Attempt, found: Sequence[Diagnostic] = ()) -> Plan:
    """The plan of what was tried, whether it fits or not; ``found`` become its warnings."""
    library, settled, weigh = tried.library, tried.settled, tried.weigh
    placements = tuple(_placements(library, weigh, settled))
    residency = _residency(library, tried.stack)
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
            *unmet(tried.stack, library.config.plan.wish_together, residency.engine),
        ),
        excused=(library.config.budget.override or "") if found else "",
        ports={item.name: item.port for item in placements if item.port},
    )


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
        argv=process.argv(model, settled.settings, library, port=port),
        stop=process.stop(model, settled.settings, library, port=port),
        environment=tuple(
            (name, value) for name, value in model.environment.items() if isinstance(value, str)
        ),
        reasons=(*settled.reasons, *_shares(model, settled)),
    )


def _shares(model: Model, settled: Settled) -> Iterable[Reason]:
    """Why its shares are in proportion, unless they were sought."""
    told = any(item.key == "tensor_split" for item in settled.reasons)
    return () if told else splits.reasons(model, settled.settings)


def _residency(library: Library, numbers: Stack) -> Residency:
    """What loads models on demand on this host, and where that can lead."""
    if not numbers.demand:
        return Residency(None, [state(numbers, ())])
    if (limit := router_of(library, numbers)) is not None:
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
                hint='`engine = "matrix"` in [plan]',
            )
        )
    return Residency(found, group_states(numbers, found))


def headroom(pools: Iterable[Pool], states: Sequence[State]) -> Iterable[Headroom]:
    """The worst state of each pool."""
    for pool in pools:
        worst = max(states, key=lambda item: item.peaks[pool.name])
        yield Headroom(pool, worst.peaks[pool.name], worst.models)

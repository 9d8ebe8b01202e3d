"""Who can be in memory with whom: the states of the plan, and every two models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from llmgen.plan.explain import explain
from llmgen.plan.findings import PlanFinding
from llmgen.plan.plan import Groups, OnDemandRules, Plan, Router
from llmgen.plan.stack import Stack
from llmgen.report.report import ModelPair, StateFacts, StateKind
from llmgen.report.swaps import swaps

# So many states are told, and so many models stand in a map of every two.
STATES, MAPPED = 24, 24


def states(plan: Plan, stack: Stack, refused: Sequence[PlanFinding]) -> tuple[StateFacts, ...]:
    """What was asked for and does not fit, then what can be reached, the start-up, a swap."""
    asked = [
        item.broken.requirement
        for item in refused
        if item.broken is not None and not item.broken.quarrel
    ]
    wanted = {(*stack.always, *item.models): item.why for item in asked}
    rows = [row for row in explain(plan).rows if row.models not in wanted]
    reachable = [row for row in rows if row.kind == "reachable"][:STATES]
    others = [row for row in rows if row.kind != "reachable"]
    engine = plan.engines.get(plan.library.machine.host)
    return (
        *(
            _state(stack, models, "refused", stack.sums(_demand(stack, models)), why)
            for models, why in wanted.items()
        ),
        *(
            _state(
                stack,
                row.models,
                row.kind,
                {fill.pool: fill.used_bytes for fill in row.fills},
                engine=engine,
            )
            for row in (*reachable, *others)
        ),
    )


def _state(
    stack: Stack,
    models: tuple[str, ...],
    kind: StateKind,
    used: Mapping[str, int],
    why: str = "",
    *,
    engine: OnDemandRules = None,
) -> StateFacts:
    missing = {
        pool: size - stack.budgets[pool]
        for pool, size in used.items()
        if size > stack.budgets[pool]
    }
    told = kind in ("reachable", "start-up") and len(stack.demand) <= MAPPED
    gone = tuple(swaps(engine, stack, _demand(stack, models))) if told else ()
    return StateFacts(models, kind, used, missing, why, gone)


def _demand(stack: Stack, models: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in models if name in stack.demand)


def pairs(plan: Plan, stack: Stack) -> Iterator[ModelPair]:
    """Every two models of the plan, beside all that is always there."""
    engine = plan.engines.get(plan.library.machine.host)
    names = [item.name for item in plan.placements]
    for one, other in combinations(names, 2):
        both = {one, other}
        asked = (both & stack.demand.keys()) | stack.pinned
        if any(both <= {*quarrel} for quarrel in stack.quarrels(asked)):
            yield ModelPair(one, other, "wish")
        elif missing := stack.over(asked):
            yield ModelPair(one, other, "memory", missing)
        elif both <= stack.demand.keys() and not meets(engine, one, other):
            yield ModelPair(one, other, "engine")
        else:
            yield ModelPair(one, other, "meet")


def meets(engine: OnDemandRules, one: str, other: str) -> bool:
    """Whether what loads models on demand ever has both, if they fit."""
    match engine:
        case Router(models_max):
            return models_max > 1
        case Groups():
            group = {member: item for item in engine.groups for member in item.members}
            first, second = group[one], group[other]
            if first is second:
                return not first.swap
            return not any(
                mine.exclusive and not theirs.persistent
                for mine, theirs in ((first, second), (second, first))
            )
        case _:
            return True

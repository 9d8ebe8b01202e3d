"""The plan for people who want to know why: states, what fills each pool, what was settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from llmgen.library import Keep
from llmgen.plan.comparison import Compared, compared
from llmgen.plan.plan import Groups, Matrix, OnDemandRules, Plan, Reason, Router, State
from llmgen.units import show_bar, show_size

StateOrigin = Literal["reachable", "start-up", "unload during a swap"]
MARKS: dict[StateOrigin, str] = {
    "start-up": "start-up",
    "unload during a swap": "no request leads here: only unloading by hand while a model loads",
}


class Fill(Struct, frozen=True):
    """How full one pool is in one state."""

    pool: str
    used_bytes: int
    budget_bytes: int

    @property
    def share(self) -> float:
        """Used over budget; above 1 it does not fit."""
        return self.used_bytes / self.budget_bytes if self.budget_bytes > 0 else float("inf")


class StateRow(Struct, frozen=True):
    """One state: who is in memory, how it comes about, how full the pools are."""

    models: tuple[str, ...]
    kind: StateOrigin
    fills: tuple[Fill, ...]


class Explained(Struct, frozen=True):
    """Everything that ``show --explain`` says beside the plan itself."""

    engine: str
    rows: tuple[StateRow, ...]
    reasons: tuple[tuple[str, Reason], ...]
    measured: tuple[Compared, ...] = ()

    def lines(self) -> Iterator[str]:
        """The same as text, a bar for each pool and state."""
        yield self.engine
        for row in self.rows:
            mark = f" ({MARKS[row.kind]})" if row.kind in MARKS else ""
            yield ""
            yield f"{', '.join(row.models) or 'nothing loaded'}{mark}"
            yield from map(_line, row.fills)
        if self.reasons:
            yield ""
        for name, reason in self.reasons:
            yield f"{name}: {reason.key} = {reason.value}, {reason.why}"
        if self.measured:
            yield ""
        yield from (item.line() for item in self.measured)


def explain(plan: Plan) -> Explained:
    """Every worst state, the start-up, and what only a person's unload during a swap can reach."""
    budgets = {pool.name: pool.budget_bytes for pool in plan.pools}
    states = [*_reachable(plan), _start(plan), *_during_a_swap(plan)]
    rows = (
        StateRow(
            state.models,
            kind,
            tuple(Fill(pool, used, budgets[pool]) for pool, used in state.peaks.items()),
        )
        for kind, state in states
    )
    reasons = tuple((item.name, why) for item in plan.placements for why in item.reasons)
    return Explained(
        engine_words(plan.engines[plan.library.machine.host]),
        tuple(rows),
        reasons,
        tuple(compared(plan)),
    )


def _reachable(plan: Plan) -> Iterator[tuple[StateOrigin, State]]:
    for state in plan.states:
        yield "reachable", state


def _start(plan: Plan) -> tuple[StateOrigin, State]:
    names = [
        item.name for item in plan.placements if item.keep is Keep.ALWAYS or item.model.preload
    ]
    return "start-up", _sum(plan, names)


def _during_a_swap(plan: Plan) -> Iterator[tuple[StateOrigin, State]]:
    """A load that waits for its evictee is not cancelled by an unload of everything.

    It comes up later, beside whatever was asked for meanwhile: a whole set and one model more
    (reference: llama-swap v250, reproduced). For each pool the worst such state, where it is over.
    """
    if not isinstance(plan.engines[plan.library.machine.host], Matrix | Groups):
        return
    seen: set[tuple[str, ...]] = set()
    for pool in plan.pools:
        found = [_one_more(plan, state, pool.name) for state in plan.states]
        state = max(found, key=lambda item: item.peaks[pool.name])
        if state.models not in seen and state.peaks[pool.name] > pool.budget_bytes:
            seen.add(state.models)
            yield "unload during a swap", state


def _one_more(plan: Plan, state: State, pool: str) -> State:
    """The state with the heaviest model beside it, or as it is when it has all."""
    inside = frozenset(state.models)
    others = (
        item for item in plan.placements if item.keep is Keep.ON_DEMAND and item.name not in inside
    )
    more = max(others, key=lambda item: item.footprint.get(pool, 0), default=None)
    if more is None:
        return state
    peaks = {name: used + more.footprint.get(name, 0) for name, used in state.peaks.items()}
    return State((*state.models, more.name), peaks)


def _sum(plan: Plan, names: Sequence[str]) -> State:
    footprints: list[Mapping[str, int]] = [
        item.footprint for item in plan.placements if item.name in names
    ]
    peaks = {pool.name: sum(item.get(pool.name, 0) for item in footprints) for pool in plan.pools}
    return State(tuple(names), peaks)


def engine_words(engine: OnDemandRules) -> str:
    """What the engine does with the models, in one sentence."""
    match engine:
        case Matrix(complete=True):
            return "llama-swap keeps what fits: every maximal set of models is in its matrix"
        case Matrix():
            return "llama-swap keeps sets that fit; others would too, but are too many to tell"
        case Groups(complete=True):
            return "llama-swap keeps what fits: its groups say exactly that"
        case Groups():
            return "llama-swap loads one model at a time: groups cannot say more here"
        case Router(1):
            return "the router keeps one model at a time: the heaviest of them fits"
        case Router(models_max):
            return f"the router keeps any {models_max} models: the heaviest of them fit"
        case None:
            return "nothing is loaded on demand"


def _line(fill: Fill) -> str:
    bar = show_bar(fill.used_bytes, fill.budget_bytes)
    over = " over" if fill.used_bytes > fill.budget_bytes else ""
    amount = f"{show_size(fill.used_bytes)} of {show_size(fill.budget_bytes)}"
    return f"  {fill.pool:<8} {bar} {amount}{over}"

"""A plan, fitting or refused, as the one value that a report shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from llmgen.budget.memory import HOST
from llmgen.config.tables.containers import Apps
from llmgen.config.tables.gateway import Gateway
from llmgen.library import Library
from llmgen.plan.attempt import attempt
from llmgen.plan.basis import declared, resting
from llmgen.plan.explain import engine_words
from llmgen.plan.findings import PlanFinding, findings
from llmgen.plan.place import planned
from llmgen.plan.plan import Headroom, Plan
from llmgen.plan.pools import beside_bytes
from llmgen.plan.price import StepBack, prices
from llmgen.plan.scale import scale, stack
from llmgen.report.contexts import contexts
from llmgen.report.footprints import models
from llmgen.report.report import PoolFacts, Refusal, Report, Reserve, WayOut
from llmgen.report.residency import MAPPED, pairs, states
from llmgen.report.routes import doors, routes

# Models with open values whose steps are planned, one by one.
PRICED = 20


def judged(library: Library) -> tuple[Plan, tuple[PlanFinding, ...]]:
    """The plan whether it fits or not, and what does not; PlanError where there is no sum at all.

    That is where a server would refuse its settings, or groups cannot say what fits.
    """
    tried = attempt(library, scale(library))
    found = tuple(findings(tried))
    return planned(tried, [item.diagnostic for item in found]), found


def report(
    plan: Plan, found: Sequence[PlanFinding] = (), units: Mapping[str, str] | None = None
) -> Report:
    """What the page says of a plan; ``found`` does not fit, ``units`` are services by model."""
    library, machine = plan.library, plan.library.machine
    numbers = stack(library, {item.name: item.footprint for item in plan.placements}, plan.pools)
    engine = plan.engines.get(machine.host)
    return Report(
        host=machine.host,
        profile=machine.profile,
        source=machine.source,
        backend=machine.backend,
        os=machine.os,
        build=library.build,
        engine=library.config.services.on_demand,
        engine_words=engine_words(engine),
        complete=getattr(engine, "complete", True),
        override=plan.excused,
        fits=not found and not plan.excused,
        disk_bandwidth_bytes=machine.disk_bandwidth_bytes,
        pools=tuple(_pools(plan)),
        models=tuple(models(plan, numbers)),
        states=states(plan, numbers, found),
        states_in_all=len(plan.states),
        pairs=tuple(pairs(plan, numbers)) if len(plan.placements) <= MAPPED else None,
        contexts=tuple(contexts(plan)),
        routes=tuple(routes(plan, units or {})),
        doors=doors(plan),
        refusals=tuple(map(_refusal, found)),
        steps=_steps(plan) if not found else (),
        resting=resting(plan),
    )


def _pools(plan: Plan) -> Iterator[PoolFacts]:
    resting_on = declared(plan)
    for room in plan.headroom:
        pool = room.pool
        yield PoolFacts(
            host=pool.host,
            name=pool.name,
            views=pool.views,
            capacity_bytes=pool.capacity_bytes,
            reserves=tuple(_reserves(plan, room)),
            budget_bytes=pool.budget_bytes,
            peak_bytes=room.peak_bytes,
            free_bytes=room.free_bytes,
            state=room.state,
            declared=resting_on.get(pool.name, ()),
        )


def _reserves(plan: Plan, room: Headroom) -> Iterator[Reserve]:
    """What runs beside the models by itself; the rest is the system's and other programs'."""
    config, here = plan.library.config, HOST in room.pool.views
    workers = beside_bytes(config.gateway, Apps()) if here else 0
    pages = beside_bytes(Gateway(), config.apps) if here else 0
    named = {
        "the system and other programs": room.pool.reserve_bytes - workers - pages,
        "LiteLLM's workers": workers,
        "Open WebUI": pages,
    }
    yield from (Reserve(what, size) for what, size in named.items() if size)


def _refusal(item: PlanFinding) -> Refusal:
    told, broken = item.diagnostic, item.broken
    return Refusal(
        message=told.message,
        place=".".join(map(str, told.key)),
        pool=broken.pool if broken else "",
        missing_bytes=broken.missing_bytes if broken else 0,
        notes=tuple(note for note in told.notes if not note.startswith("also: ")),
        ways=tuple(WayOut(way.sentence, way.edits, way.won_bytes, way.prices) for way in item.ways)
        or ((WayOut(told.hint, "", 0, ()),) if told.hint else ()),
    )


def _steps(plan: Plan) -> tuple[StepBack, ...]:
    """What a value further back would buy; planned one by one, so not for a large stack."""
    opened = sum(bool(model.open) for model in plan.library.models)
    return tuple(prices(plan)) if opened <= PRICED else ()

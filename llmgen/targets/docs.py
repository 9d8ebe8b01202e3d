"""CONFIGURATION.md: the stack for people, with memory, ports, names, addresses and routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from llmgen.artifacts import Artifact, Render
from llmgen.engines.loaders import loader_of
from llmgen.facts.card import card, in_words
from llmgen.library import Keep, Model
from llmgen.plan.basis import basis_words, resting
from llmgen.plan.plan import Placement, Plan
from llmgen.report.picture import PICTURE
from llmgen.report.routes import GATEWAYS, doors, external, fronts, names
from llmgen.targets.launchd import label
from llmgen.targets.services import services
from llmgen.targets.systemd import unit
from llmgen.units import show_count, show_size

NAME = "docs"
SUMMARY = "CONFIGURATION.md: memory, ports, aliases, endpoints and routes for people"


def in_use(plan: Plan) -> bool:
    """Always: people read it."""
    del plan
    return True


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """One page when there is anything to tell."""
    if not plan.placements:
        return
    library = plan.library
    called = label if library.machine.os == "macos" else unit
    placed = {item.name: item for item in plan.placements}
    yield Artifact(
        path=PurePosixPath("CONFIGURATION.md"),
        content=render(
            "docs/CONFIGURATION.md.j2",
            machine=library.machine,
            pools=[*_pools(plan)],
            models=[_model(item, plan) for item in plan.placements],
            cards=[(item.name, lines) for item in plan.placements if (lines := _card(item.model))],
            resting=resting(plan),
            names=[*names(plan)],
            external=[*external(library)],
            fronts=doors(plan),
            engine=loader_of(library.config.services).described,
            states=[_state(plan, placed, state.models) for state in plan.states],
            excused=plan.excused,
            picture=PICTURE if plan.library.config.targets.report.enable else "",
            units=[(called(item.name), item.summary) for item in services(plan)],
            edges=[*dict.fromkeys(_edges(plan, [door.name for door in fronts(plan)]))],
        ),
        target=NAME,
    )


def _pools(plan: Plan) -> Iterator[dict[str, str]]:
    for room in plan.headroom:
        yield {
            "name": room.pool.name,
            "capacity": show_size(room.pool.capacity_bytes),
            "reserve": show_size(room.pool.reserve_bytes),
            "peak": show_size(room.peak_bytes),
            "free": show_size(room.free_bytes),
            "state": ", ".join(room.state),
        }


def _model(item: Placement, plan: Plan) -> dict[str, object]:
    return {
        "name": item.name,
        "role": ", ".join(item.model.serves),
        "keep": "always" if item.keep is Keep.ALWAYS else "on demand",
        "port": item.port or "assigned",
        "slots": item.settings.parallel,
        "context": show_count(item.estimate.n_ctx) if item.estimate.n_ctx else "-",
        "slot_context": show_count(item.estimate.n_ctx_seq) if item.estimate.n_ctx_seq else "-",
        "cache": f"{item.settings.cache_type_k} / {item.settings.cache_type_v}"
        if item.model.is_llama
        else "-",
        "memory": [
            (pool.name, show_size(item.footprint[pool.name]))
            for pool in plan.pools
            if item.footprint.get(pool.name)
        ],
        "exact": item.estimate.exact,
        "basis": basis_words(item.estimate),
        "reasons": item.reasons,
    }


def _card(model: Model) -> list[str]:
    found = card(model.facts)
    return [
        *filter(None, [model.description]),
        *in_words(found, embeds=model.role == "embedding", scores=model.scores),
        *model.notes,
    ]


def _state(
    plan: Plan, placed: Mapping[str, Placement], members: Iterable[str]
) -> tuple[str, list[str]]:
    chosen = [placed[name] for name in members]
    sums = [
        f"{pool.name} {show_size(sum(item.footprint.get(pool.name, 0) for item in chosen))}"
        for pool in plan.pools
    ]
    return ", ".join(item.name for item in chosen), sums


def _edges(plan: Plan, fronts: list[str]) -> Iterator[tuple[str, str, str, str]]:
    """Lines of the diagram: (id, label, id, label)."""
    engine = loader_of(plan.library.config.services).described
    gateways = [name for name in fronts if name in GATEWAYS]
    entrances = dict.fromkeys(gateways or fronts)
    for door in entrances:
        yield "clients", "clients", _id(door), door
        for index, item in enumerate(plan.placements):
            model = f"m{index}"
            if item.keep is Keep.ALWAYS:
                yield _id(door), door, model, item.name
            elif gateways:
                yield _id(door), door, "engine", engine
    for index, item in enumerate(plan.placements):
        if item.keep is Keep.ON_DEMAND:
            start = ("engine", engine) if gateways else next(((_id(d), d) for d in entrances), None)
            if start:
                yield *start, f"m{index}", item.name


def _id(door: str) -> str:
    return door.lower().replace("-", "_")

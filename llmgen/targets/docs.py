"""CONFIGURATION.md: the stack for people, with memory, ports, names, addresses and routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from llmgen.artifacts import Artifact
from llmgen.facts.card import card, in_words
from llmgen.gateway.addresses import LOOPBACK, in_url
from llmgen.library import Keep, Library, Model
from llmgen.plan.basis import basis_words, resting
from llmgen.plan.model import Placement, Plan
from llmgen.targets.base import Render
from llmgen.targets.launchd import label
from llmgen.targets.services import services
from llmgen.targets.systemd import unit
from llmgen.units import show_count, show_size

NAME = "docs"
SUMMARY = "CONFIGURATION.md: memory, ports, aliases, endpoints and routes for people"

_PATHS = {
    "chat": "/v1/chat/completions",
    "vision": "/v1/chat/completions",
    "completion": "/v1/completions",
    "embedding": "/v1/embeddings",
    "rerank": "/v1/rerank",
    "transcription": "/v1/audio/transcriptions",
    "speech": "/v1/audio/speech",
    "image": "/v1/images/generations",
}
_ENGINES = {"llama_swap": "llama-swap", "router": "llama-server (router mode)", "none": "nobody"}


def in_use(plan: Plan) -> bool:
    """Always: people read it."""
    del plan
    return True


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """One page when there is anything to tell."""
    if not plan.placements:
        return
    library = plan.library
    fronts = [*_fronts(plan)]
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
            names=[*_names(plan)],
            external=[*_external(library)],
            fronts=[*fronts, *_servers(plan)],
            engine=_ENGINES[library.config.services.on_demand],
            states=[_state(plan, placed, state.models) for state in plan.states],
            excused=plan.excused,
            units=[(called(item.name), item.summary) for item in services(plan)],
            edges=[*dict.fromkeys(_edges(plan, [front["name"] for front in fronts]))],
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


def _names(plan: Plan) -> Iterator[tuple[str, str, str]]:
    for item in plan.placements:
        for name in item.model.names:
            yield name, item.name, _kind(item.model, name)


def _external(library: Library) -> Iterator[tuple[str, str, str]]:
    for name, item in library.external.items():
        yield name, item.endpoint, "external"
        yield from ((alias, item.endpoint, f"alias of {name}") for alias in item.aliases)


def _kind(model: Model, name: str) -> str:
    if name == model.name:
        return "model"
    if name in model.aliases:
        return "alias"
    told = model.variants[name].description if name in model.variants else ""
    return f"variant: {told}" if told else "variant"


def _fronts(plan: Plan) -> Iterator[dict[str, object]]:
    config = plan.library.config
    gateway, table = config.gateway, config.services
    paths = _paths(plan.placements)
    if gateway.envoy.enable:
        scheme = "https" if gateway.envoy.tls else "http"
        for address in gateway.envoy.listen:
            yield _front("Envoy", f"{scheme}://{in_url(address)}:{gateway.envoy.port}", paths)
    if gateway.litellm.enable:
        yield _front(
            "LiteLLM", f"http://{in_url(gateway.litellm.listen)}:{gateway.litellm.port}", paths
        )
    if table.on_demand == "llama_swap":
        swap = table.llama_swap
        yield _front("llama-swap", f"http://{in_url(swap.listen)}:{swap.port}", paths)
    if table.on_demand == "router":
        # It knows nothing of always-on servers; to llama-swap they are peers.
        own = _paths(item for item in plan.placements if item.keep is Keep.ON_DEMAND)
        yield _front("Router", f"http://{in_url(table.router.listen)}:{table.router.port}", own)


def _servers(plan: Plan) -> Iterator[dict[str, object]]:
    """Each server's own address, where nothing stands before them all."""
    gateway = plan.library.config.gateway
    if plan.library.config.services.on_demand != "none":
        return
    if not (gateway.envoy.enable or gateway.litellm.enable):
        for item in plan.placements:
            yield _front(item.name, f"http://{LOOPBACK}:{item.port}", _paths([item]))


def _paths(placements: Iterable[Placement]) -> list[str]:
    return [*dict.fromkeys(_PATHS[role] for item in placements for role in item.model.serves)]


def _front(name: str, address: str, paths: Iterable[str]) -> dict[str, object]:
    return {"name": name, "address": address, "paths": [f"{address}{path}" for path in paths]}


def _state(
    plan: Plan, placed: Mapping[str, Placement], members: Iterable[str]
) -> tuple[str, list[str]]:
    chosen = [placed[name] for name in members]
    sums = [
        f"{pool.name} {show_size(sum(item.footprint.get(pool.name, 0) for item in chosen))}"
        for pool in plan.pools
    ]
    return ", ".join(item.name for item in chosen), sums


def _edges(plan: Plan, fronts: list[object]) -> Iterator[tuple[str, str, str, str]]:
    """Lines of the diagram: (id, label, id, label)."""
    engine = _ENGINES[plan.library.config.services.on_demand]
    gateways = [str(name) for name in fronts if name in ("Envoy", "LiteLLM")]
    doors = dict.fromkeys(gateways or [str(name) for name in fronts])
    for door in doors:
        yield "clients", "clients", _id(door), door
        for index, item in enumerate(plan.placements):
            model = f"m{index}"
            if item.keep is Keep.ALWAYS:
                yield _id(door), door, model, item.name
            elif gateways:
                yield _id(door), door, "engine", engine
    for index, item in enumerate(plan.placements):
        if item.keep is Keep.ON_DEMAND:
            start = ("engine", engine) if gateways else next(((_id(d), d) for d in doors), None)
            if start:
                yield *start, f"m{index}", item.name


def _id(door: str) -> str:
    return door.lower().replace("-", "_")

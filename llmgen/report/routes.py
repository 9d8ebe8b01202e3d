"""From the names that clients say to the servers that answer: doors, who loads, ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from llmgen.engines.loaders import LLAMA_SWAP, loader_of, table_of
from llmgen.gateway.addresses import LOOPBACK, in_url
from llmgen.library import Keep, Library, Model
from llmgen.plan.plan import Placement, Plan
from llmgen.report.report import ClientDoor, NameRoute, ServedName

_PATHS: Final = {
    "chat": "/v1/chat/completions",
    "vision": "/v1/chat/completions",
    "completion": "/v1/completions",
    "embedding": "/v1/embeddings",
    "rerank": "/v1/rerank",
    "transcription": "/v1/audio/transcriptions",
    "speech": "/v1/audio/speech",
    "image": "/v1/images/generations",
}
# Who loads models on demand, as people call it.
GATEWAYS: Final = ("Envoy", "LiteLLM")


def doors(plan: Plan) -> tuple[ClientDoor, ...]:
    """Where clients connect: gateways, who loads on demand, else each server by itself."""
    return (*fronts(plan), *_servers(plan))


def routes(plan: Plan, units: Mapping[str, str]) -> Iterator[NameRoute]:
    """Each model's way; then those of external models. ``units`` are the services of models."""
    found = doors(plan)
    loader = loader_of(plan.library.config.services).described
    for item in plan.placements:
        always = item.keep is Keep.ALWAYS
        yield NameRoute(
            model=item.name,
            names=tuple(ServedName(*row) for row in model_names(item.model)),
            doors=tuple(door.name for door in found if _leads(door, found, item)),
            loader="" if always else loader,
            server=item.model.engine.name,
            port=item.port,
            unit=units.get(item.name, "") if always else "",
        )
    yield from _external_routes(plan.library, found)


def _leads(door: ClientDoor, found: Iterable[ClientDoor], item: Placement) -> bool:
    """Gateways stand before the rest; the router knows nothing of always-on servers."""
    gateways = [other.name for other in found if other.name in GATEWAYS]
    if gateways:
        return door.name in gateways
    if door.name == "Router":
        return item.keep is Keep.ON_DEMAND
    return door.name in (LLAMA_SWAP.heading, item.name)


def _external_routes(library: Library, found: tuple[ClientDoor, ...]) -> Iterator[NameRoute]:
    gateways = tuple(door.name for door in found if door.name in GATEWAYS)
    swap = tuple(door.name for door in found if door.name == LLAMA_SWAP.heading)
    for name, item in library.external.items():
        told = (
            ServedName(name, name, "external"),
            *(ServedName(one, name, "alias") for one in item.aliases),
        )
        yield NameRoute(name, told, gateways or swap, "", item.endpoint, 0)


def names(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """(what clients say, model, kind of name) of every model."""
    for item in plan.placements:
        yield from model_names(item.model)


def model_names(model: Model) -> Iterator[tuple[str, str, str]]:
    """The same of one model, its own name first."""
    for name in model.names:
        yield name, model.name, _kind(model, name)


def external(library: Library) -> Iterator[tuple[str, str, str]]:
    """(what clients say, endpoint, kind of name) of models elsewhere."""
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


def fronts(plan: Plan) -> Iterator[ClientDoor]:
    """What stands before several servers."""
    config = plan.library.config
    gateway, table = config.gateway, config.services
    paths = _paths(plan.placements)
    native = table.runtime == "native"
    # Of containers the first front alone is published (targets/containers/published.py).
    behind_envoy = not native and gateway.envoy.enable
    behind = not native and (gateway.envoy.enable or gateway.litellm.enable)
    if gateway.envoy.enable:
        scheme = "https" if gateway.envoy.tls else "http"
        for address in gateway.envoy.listen:
            yield _door("Envoy", f"{scheme}://{in_url(address)}:{gateway.envoy.port}", paths)
    if gateway.litellm.enable and not behind_envoy:
        yield _door(
            "LiteLLM", f"http://{in_url(gateway.litellm.listen)}:{gateway.litellm.port}", paths
        )
    loader, own = loader_of(table), table_of(table)
    if own is not None and not behind:
        if not loader.knows_others:
            paths = _paths(item for item in plan.placements if item.keep is Keep.ON_DEMAND)
        yield _door(loader.heading, f"http://{in_url(own.listen)}:{own.port}", paths)


def _servers(plan: Plan) -> Iterator[ClientDoor]:
    """Each server's own address, where nothing stands before them all."""
    gateway = plan.library.config.gateway
    if loader_of(plan.library.config.services).loads:
        return
    if not (gateway.envoy.enable or gateway.litellm.enable):
        for item in plan.placements:
            yield _door(item.name, f"http://{LOOPBACK}:{item.port}", _paths([item]))


def _paths(placements: Iterable[Placement]) -> tuple[str, ...]:
    roles = dict.fromkeys(role for item in placements for role in item.model.serves)
    return tuple(dict.fromkeys(_PATHS[role] for role in roles))


def _door(name: str, address: str, paths: Iterable[str]) -> ClientDoor:
    return ClientDoor(name, address, tuple(f"{address}{path}" for path in paths))

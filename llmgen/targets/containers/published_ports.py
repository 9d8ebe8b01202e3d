"""Which services the machine's ports lead to: the front of the stack alone."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.config.names import service_name
from llmgen.engines.loaders import table_of
from llmgen.gateway.addresses import LOOPBACK, bare, loopback
from llmgen.library import Keep
from llmgen.plan.plan import Plan
from llmgen.targets.containers.container import Published


def published(plan: Plan) -> tuple[Published, ...]:
    """The ports of the machine: Envoy's alone, else LiteLLM's, else those of engine and models.

    Behind a front the others are reached through it, and within their network.
    """
    return tuple(_published(plan))


def _published(plan: Plan) -> Iterator[Published]:
    yield from _front(plan)
    page = plan.library.config.apps.open_webui
    if page.enable:
        yield _port("open-webui", page.listen, page.port)


def _front(plan: Plan) -> Iterator[Published]:
    config = plan.library.config
    envoy, litellm, services = config.gateway.envoy, config.gateway.litellm, config.services
    if envoy.enable:
        yield from (_port("envoy", address, envoy.port) for address in envoy.listen)
        if envoy.metrics_port is not None:
            yield _port("envoy", LOOPBACK, envoy.metrics_port)
        return
    if litellm.enable:
        yield _port("litellm", litellm.listen, litellm.port)
        return
    loader, table = plan.loader, table_of(services)
    if loader.loads and table is not None:
        yield _port(loader.service, table.listen, table.port)
        if loader.knows_others:
            return
    for item in plan.placements:
        if item.keep is Keep.ALWAYS:
            yield _port(service_name(item.name), LOOPBACK, item.port)


def _port(service: str, address: str, port: int) -> Published:
    numeric = LOOPBACK if address == "localhost" else bare(address)
    return Published(service, numeric, port, exposed=not loopback(address))

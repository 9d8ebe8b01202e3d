"""What Prometheus asks: every server of the stack that has metrics, and the machine's exporters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from llmgen.config.names import file_name, service_name
from llmgen.config.tables.base import Secret
from llmgen.engines.loaders import LLAMA_SWAP
from llmgen.gateway.addresses import LOOPBACK, in_url, nearest
from llmgen.gateway.secrets import backend_secrets
from llmgen.library import Keep
from llmgen.plan.plan import Placement, Plan
from llmgen.targets.containers.published_ports import published


class ScrapeAddress(Struct, frozen=True):
    """One address that is asked (``HOST:PORT``), and what its series are called by."""

    address: str
    labels: Mapping[str, str]


class Job(Struct, frozen=True):
    """Addresses that are asked alike; ``key`` names the secret that they want, empty: none."""

    name: str
    goals: tuple[ScrapeAddress, ...]
    path: str = "/metrics"
    key: str = ""


def jobs(plan: Plan) -> Iterator[Job]:
    """Every job that has something to ask, in a fixed order; all loopback but the exporters."""
    yield from _servers(plan)
    yield from _engine(plan)
    yield from _gateways(plan)
    yield from _exporters(plan)


def quiet(plan: Plan) -> tuple[str, ...]:
    """Always-on models of llama-server whose metrics are off."""
    return tuple(
        item.name
        for item in plan.placements
        if item.keep is Keep.ALWAYS and item.model.is_llama and not item.model.options.metrics
    )


def keys(plan: Plan) -> Mapping[str, Secret]:
    """The secrets that jobs name."""
    master = plan.library.config.gateway.litellm.master_key
    return {**backend_secrets(plan), **({"litellm": master} if master else {})}


def key_file(name: str) -> str:
    """The file of one key in the folder of keys."""
    return f"{file_name(name)}.key"


def host(plan: Plan) -> str:
    """The label by which rules and dashboard know this machine's series."""
    return plan.library.machine.host


def _servers(plan: Plan) -> Iterator[Job]:
    """Always-on servers; asking an on-demand one through llama-swap would load it."""
    secrets = keys(plan)
    for is_llama, name in ((True, "llmgen-server"), (False, "llmgen-engine")):
        found = [
            item
            for item in plan.placements
            if item.model.is_llama is is_llama and _tells(item) and _is_reached(plan, item)
        ]
        if found:
            goals = tuple(_goal(plan, f"{LOOPBACK}:{item.port}", model=item.name) for item in found)
            asks = is_llama and "llama-server" in secrets
            yield Job(name, goals, key="llama-server" if asks else "")


def _tells(item: Placement) -> bool:
    """Whether the process has metrics, and a port that is known."""
    told = item.model.options.metrics if item.model.is_llama else item.model.engine.has_metrics
    return item.keep is Keep.ALWAYS and bool(item.port) and bool(told)


def _is_reached(plan: Plan, item: Placement) -> bool:
    return _is_published(plan, service_name(item.name), item.port)


def _is_published(plan: Plan, service: str, port: int) -> bool:
    """Whether a program of the machine reaches it: in containers the front alone."""
    if plan.library.config.services.runtime == "native":
        return True
    return any((item.service, item.port) == (service, port) for item in published(plan))


def _engine(plan: Plan) -> Iterator[Job]:
    if plan.loader is not LLAMA_SWAP:
        return
    swap = plan.library.config.services.llama_swap
    if _is_published(plan, "swap", swap.port):
        address = f"{in_url(nearest((swap.listen,)))}:{swap.port}"
        key = "llama-swap" if swap.api_keys else ""
        yield Job("llmgen-swap", (_goal(plan, address, service="llama-swap"),), key=key)


def _gateways(plan: Plan) -> Iterator[Job]:
    envoy, litellm = plan.library.config.gateway.envoy, plan.library.config.gateway.litellm
    if envoy.enable:
        own = envoy.metrics_port
        port, path = (envoy.admin_port, "/stats/prometheus") if own is None else (own, "/metrics")
        if _is_published(plan, "envoy", port):
            goal = _goal(plan, f"{LOOPBACK}:{port}", service="envoy")
            yield Job("llmgen-envoy", (goal,), path)
    if litellm.enable and litellm.prometheus and _is_published(plan, "litellm", litellm.port):
        address = f"{in_url(nearest((litellm.listen,)))}:{litellm.port}"
        # Without the slash it answers with a redirect.
        yield Job(
            "llmgen-litellm",
            (_goal(plan, address, service="litellm"),),
            "/metrics/",
            "litellm" if litellm.master_key else "",
        )


def _exporters(plan: Plan) -> Iterator[Job]:
    table = plan.library.config.targets.prometheus
    for name, address in (("node", table.node_exporter), ("gpu", table.gpu_exporter)):
        if address is not None:
            yield Job(f"llmgen-{name}", (_goal(plan, address),))


def _goal(plan: Plan, address: str, **labels: str) -> ScrapeAddress:
    return ScrapeAddress(address, {"host": host(plan), **labels})

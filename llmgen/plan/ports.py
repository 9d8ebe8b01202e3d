"""Ports of the servers: fixed ones as written, the others counted up past everything taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmgen.config.config import Config
from llmgen.engines.loaders import loader_of, table_of
from llmgen.errors import ConfigError, Diagnostic, KeyPath, PlanError
from llmgen.library import Keep, Library

LAST = 65535


def ports(library: Library) -> dict[str, int]:
    """Port of each model's server, in llm.toml's order; 0 where the engine assigns it.

    Raises ConfigError with every port that two things claim, PlanError when the ports run out.
    """
    claimed = _claimed(library)
    assigned = [item for item in library.models if item.keep is Keep.ON_DEMAND and not item.port]
    if loader_of(library.config.services).starts_any:
        _check_range(library.config.services.llama_swap.start_port, len(assigned), claimed)
    free = _count_up(library, claimed, len(assigned))
    return {
        model.name: model.port or (next(free) if model.keep is Keep.ALWAYS else 0)
        for model in library.models
    }


def listeners(config: Config) -> Iterator[tuple[str, KeyPath, int]]:
    """(who, key, port) of what listens beside the model servers; what is off does not."""
    envoy, litellm, services = config.gateway.envoy, config.gateway.litellm, config.services
    if envoy.enable:
        yield "Envoy", ("gateway", "envoy", "port"), envoy.port
        yield "Envoy's admin page", ("gateway", "envoy", "admin_port"), envoy.admin_port
        if envoy.metrics_port is not None:
            yield "Envoy's metrics", ("gateway", "envoy", "metrics_port"), envoy.metrics_port
    if litellm.enable:
        yield "LiteLLM", ("gateway", "litellm", "port"), litellm.port
    if config.apps.open_webui.enable:
        yield "Open WebUI", ("apps", "open_webui", "port"), config.apps.open_webui.port
    loader, own = loader_of(services), table_of(services)
    if own is not None:
        yield loader.sentence, ("services", loader.name, "port"), own.port
    for name, lent in config.rpc.lend.items():
        yield f"the RPC server of `{name}`", ("rpc", "lend", name, "port"), lent.port
    for name, table in config.rpc.borrow.items():
        if table.link == "tunnel":
            for model, port in table.ports.items():
                yield f"the tunnel for `{model}`", ("rpc", "borrow", name, "ports", model), port


def _claimed(library: Library) -> dict[int, str]:
    # What nobody wrote comes first, so that a clash is shown at a key that stands in llm.toml.
    fixed = sorted(listeners(library.config), key=lambda item: _is_written(library.config, item[1]))
    claims = [
        *fixed,
        *((f"`{item.name}`", ("models", item.name, "port"), item.port) for item in library.models),
    ]
    owners: dict[int, str] = {}
    clashes = []
    for who, key, port in claims:
        if port and port in owners:
            clashes.append(_clash(port, who, owners[port], key))
        owners.setdefault(port, who)
    if clashes:
        raise ConfigError(clashes)
    return owners


def _is_written(config: Config, key: KeyPath) -> bool:
    table: Any = config
    for part in map(str, key[:-1]):
        table = table[part] if isinstance(table, dict) else getattr(table, part)
    return key[-1] in (table if isinstance(table, dict) else table.model_fields_set)


def _clash(port: int, who: str, owner: str, key: KeyPath) -> Diagnostic:
    return Diagnostic(
        "ports.taken",
        f"port {port} of {who} is already the port of {owner}",
        key,
        hint="choose another one, or leave it out",
    )


def _check_range(start: int, count: int, claimed: Mapping[int, str]) -> None:
    """llama-swap counts up from its first port and looks at nobody else's."""
    key = ("services", "llama_swap", "start_port")
    for port in range(start, start + count):
        if port in claimed:
            raise ConfigError(
                _clash(port, "the servers that llama-swap starts", claimed[port], key)
            )
    if start + count - 1 > LAST:
        raise PlanError(_exhausted(key))


def _count_up(library: Library, claimed: Mapping[int, str], swapped: int) -> Iterator[int]:
    services = library.config.services
    first = services.llama_swap.start_port
    own = range(first, first + swapped) if loader_of(services).starts_any else range(0)
    for port in range(services.start_port, LAST + 1):
        if port not in claimed and port not in own:
            yield port
    raise PlanError(_exhausted(("services", "start_port")))


def _exhausted(key: KeyPath) -> Diagnostic:
    return Diagnostic(
        "ports.none-left",
        f"the ports from `{key[-1]}` to {LAST} are not enough for all servers",
        key,
        hint="lower it",
    )

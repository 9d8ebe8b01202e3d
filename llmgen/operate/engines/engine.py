"""Who loads on-demand models on this machine, and how to ask it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from llmgen.config.config import Config
from llmgen.engines.loaders import LLAMA_SWAP, loader_of, table_of
from llmgen.errors import Diagnostic, InputError
from llmgen.operate.engines import router, swap
from llmgen.operate.engines.server import Endpoint, local, secret
from llmgen.operate.engines.swap import Loaded
from llmgen.operate.engines.within import reach


class OnDemandEngine(Struct, frozen=True):
    """llama-swap or the router, behind the same three verbs."""

    name: str
    endpoint: Endpoint
    loaded: Callable[[Endpoint], list[Loaded]]
    load: Callable[[Endpoint, str], None]
    unload: Callable[[Endpoint, str | None], None]


def engine(config: Config) -> OnDemandEngine:
    """The engine that llm.toml asks for; InputError when it asks for none."""
    services = config.services
    row, own = loader_of(services), table_of(services)
    if own is None:
        raise InputError(
            Diagnostic(
                "operate.no-engine",
                "llm.toml loads no models on demand",
                ("services", "on_demand"),
                hint='`on_demand = "llama_swap"` in [services]; always-on models are units',
            )
        )
    key = secret(own.api_keys[0], config) if own.api_keys else ""
    at = local(own.listen, own.port, key, reach(config, row.service))
    if row is LLAMA_SWAP:
        return OnDemandEngine(row.title, at, swap.loaded, swap.load, swap.unload)
    return OnDemandEngine(row.title, at, router.loaded, router.load, router.unload)


def drain(config: Config) -> None:
    """Empty llama-swap before its file changes; nothing to do where it does not run."""
    if not loader_of(config.services).drains:
        return
    found = engine(config)
    try:
        found.loaded(found.endpoint)
    except InputError as error:
        if error.diagnostics[0].code == "operate.unreachable":
            return
        raise
    found.unload(found.endpoint, None)

"""Who loads on-demand models on this machine, and how to ask it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from llmgen.config.model import Config
from llmgen.errors import Diagnostic, InputError
from llmgen.operate.engines import router, swap
from llmgen.operate.engines.server import Endpoint, local, secret
from llmgen.operate.engines.swap import Loaded
from llmgen.operate.engines.within import reach


class Engine(Struct, frozen=True):
    """llama-swap or the router, behind the same three verbs."""

    name: str
    endpoint: Endpoint
    loaded: Callable[[Endpoint], list[Loaded]]
    load: Callable[[Endpoint, str], None]
    unload: Callable[[Endpoint, str | None], None]


def engine(config: Config) -> Engine:
    """The engine that llm.toml asks for; InputError when it asks for none."""
    services = config.services
    match services.on_demand:
        case "llama_swap":
            own = services.llama_swap
            key = secret(own.api_keys[0], config) if own.api_keys else ""
            at = local(own.listen, own.port, key, reach(config, "swap"))
            return Engine("llama-swap", at, swap.loaded, swap.load, swap.unload)
        case "router":
            front = services.router
            key = secret(front.api_keys[0], config) if front.api_keys else ""
            at = local(front.listen, front.port, key, reach(config, "router"))
            return Engine("router", at, router.loaded, router.load, router.unload)
        case "none":
            raise InputError(
                Diagnostic(
                    "operate.no-engine",
                    "llm.toml loads no models on demand",
                    ("services", "on_demand"),
                    hint='`on_demand = "llama_swap"` in [services]; always-on models are units',
                )
            )


def drain(config: Config) -> None:
    """Empty llama-swap before its file changes; nothing to do where it does not run."""
    if config.services.on_demand != "llama_swap":
        return
    found = engine(config)
    try:
        found.loaded(found.endpoint)
    except InputError as error:
        if error.diagnostics[0].code == "operate.unreachable":
            return
        raise
    found.unload(found.endpoint, None)

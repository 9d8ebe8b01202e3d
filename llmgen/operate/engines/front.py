"""Where a stack in containers is asked by its clients: what it publishes on the machine."""

from __future__ import annotations

from llmgen.config.config import Config
from llmgen.config.tables.base import Secret
from llmgen.gateway.addresses import in_url, nearest
from llmgen.library import Keep
from llmgen.operate.engines.engine import engine
from llmgen.operate.engines.server import Endpoint, local, secret
from llmgen.plan.plan import Placement, Plan


def front(plan: Plan, chosen: Placement) -> Endpoint:
    """The published endpoint that leads to a model, with the first key of its clients."""
    config = plan.library.config
    envoy, litellm, services = config.gateway.envoy, config.gateway.litellm, config.services
    if envoy.enable:
        key = secret(envoy.api_keys[0].secret, config) if envoy.api_keys else ""
        scheme = "https" if envoy.tls else "http"
        return Endpoint(f"{scheme}://{in_url(nearest(envoy.listen))}:{envoy.port}", key)
    if litellm.enable:
        return local(litellm.listen, litellm.port, secret(litellm.master_key, config))
    # llama-swap leads to always-on models as well, and theirs are not published then.
    if chosen.keep is Keep.ON_DEMAND or plan.loader.knows_others:
        found = engine(config).endpoint
        return Endpoint(found.url, found.key)
    return local("127.0.0.1", chosen.port, secret(services.api_key, config))


def key_at(config: Config, service: str) -> str:
    """The key that a service of the stack takes from its clients; empty for none."""
    gateway, own = config.gateway, config.services
    known: list[Secret | None]
    match service:
        case "envoy":
            known = [item.secret for item in gateway.envoy.api_keys]
        case "litellm":
            known = [gateway.litellm.master_key]
        case "open-webui":
            known = []
        # Without keys of its own llama-swap hands on what its servers ask for.
        case "swap":
            known = [*own.llama_swap.api_keys, own.api_key]
        case "router":
            known = [*own.router.api_keys, own.api_key]
        case _:
            known = [own.api_key]
    return secret(known[0], config) if known else ""

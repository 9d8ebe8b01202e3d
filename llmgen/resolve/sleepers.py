"""Machines that are woken by a request: who has a hook for it, and whose key reaches them."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.config.config import Config
from llmgen.engines.loaders import loader_of
from llmgen.errors import Diagnostic, Severity


def findings(config: Config) -> Iterator[Diagnostic]:
    """What sleeps behind something that cannot wake it."""
    reason, hint = _no_hook(config)
    for name, table in config.external.items():
        if table.wake is None:
            continue
        if reason:
            message = f"the machine of `{name}` sleeps, and {reason}"
            yield Diagnostic("external.no-hook", message, ("external", name, "wake"), hint=hint)
        elif table.api_key is not None and not config.services.llama_swap.api_keys:
            yield Diagnostic(
                "external.key-of-the-client",
                f"the machine of `{name}` is sent the key of the client, and llama-swap asks none "
                "of its clients",
                ("external", name, "api_key"),
                hint="`api_keys` in [services.llama_swap], which that machine takes, too: "
                "llama-swap has no other key for what it wakes",
                severity=Severity.WARNING,
            )


def _no_hook(config: Config) -> tuple[str, str]:
    """Why nothing here could wake a machine, and what would; empty where llama-swap does."""
    gateway, services = config.gateway, config.services
    for program, enable in (("Envoy", gateway.envoy.enable), ("LiteLLM", gateway.litellm.enable)):
        if enable:
            return (
                f"{program} asks it at once: it has no hook before a request",
                "llama-swap alone as the door here; or no `wake`, and `llmgen wake` by hand",
            )
    if not loader_of(services).has_hook:
        return "only llama-swap waits for it", '`on_demand = "llama_swap"` in [services]'
    if services.runtime != "native":
        return (
            "a packet from a container does not reach its network",
            '`runtime = "native"` in [services]',
        )
    return "", ""

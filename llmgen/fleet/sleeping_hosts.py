"""Hosts that sleep: what the others are told, and whose keys they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from llmgen.config.config import Config
from llmgen.config.load import overlay
from llmgen.errors import Diagnostic
from llmgen.fleet.door import Door


def told(config: Config, host: str) -> Mapping[str, Any] | None:
    """`wake` of the host, for the [external] tables of the others."""
    found = config.hosts[host].wake
    return None if found is None else found.model_dump(exclude_none=True)


def may_sleep(item: Diagnostic, config: Config) -> Diagnostic:
    """What is said of a host that `ssh` does not reach: one that sleeps need not be broken."""
    name = str(item.key[1]) if len(item.key) > 1 else ""
    host = config.hosts.get(name)
    if item.code != "remote.unreachable" or host is None or host.wake is None:
        return item
    return replace(item, hint=f"it may sleep: `llmgen wake {name}`, then the same again")


def keys_of_others(document: Mapping[str, Any], host: str) -> tuple[Mapping[str, str], ...]:
    """Keys that clients of the other hosts send: they are handed through to what is woken."""
    if "wake" not in document["hosts"][host]:
        return ()
    found: list[Mapping[str, str]] = []
    for name, table in document["hosts"].items():
        if name != host:
            found += [table["key"]] if "key" in table else []
            found += _of_clients(document, table)
    return tuple(key for at, key in enumerate(found) if key not in found[:at])


def _of_clients(document: Mapping[str, Any], host: Mapping[str, Any]) -> list[Mapping[str, str]]:
    services = overlay(document.get("services", {}), host.get("services", {}))
    return [*services.get("llama_swap", {}).get("api_keys", ())]


def findings(config: Config, doors: Mapping[str, Door]) -> Iterator[Diagnostic]:
    """Hosts that sleep behind a door that nobody can wait for."""
    for name, host in config.hosts.items():
        if host.wake is None:
            continue
        key = ("hosts", name, "wake")
        if "address" not in host.model_fields_set:
            yield Diagnostic(
                "hosts.no-address",
                f"`{name}` is woken by the other hosts, and they do not know its address",
                key,
                hint='`address = "ADDRESS"` in its table',
            )
        elif doors[name].kind == "litellm":
            yield Diagnostic(
                "hosts.wake-door",
                f"`{name}` is woken for clients of other hosts, whose keys its LiteLLM does not "
                "take: it has one",
                key,
                hint=f"no [hosts.{name}.gateway.litellm]: llama-swap as its door",
            )
        for other, table in config.hosts.items():
            asks = table.key is not None or bool(table.services.llama_swap.api_keys)
            if other != name and table.routes and host.key is not None and not asks:
                yield Diagnostic(
                    "hosts.wake-key",
                    f"`{other}` asks its clients for no key, so it has none to hand to `{name}`, "
                    "which it wakes",
                    ("hosts", other),
                    hint=f'`key = {{ env = "NAME" }}` in [hosts.{other}]',
                )

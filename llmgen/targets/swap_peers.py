"""llama-swap's peers: servers that it does not start, and the names that lead to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, field

from llmgen.config.names import file_name, service_name
from llmgen.config.tables.base import Secret
from llmgen.config.tables.gateway import External
from llmgen.gateway.addresses import at, loopback
from llmgen.library import Keep, Library
from llmgen.plan.plan import Plan
from llmgen.targets.secrets import variable

# Before this version a selector knows no peer by its full name.
FULL_NAMES_SINCE = 242


class SwapPeer(Struct, frozen=True):
    """One server; a ``patient`` peer is waited for, however long its prompt takes.

    ``more`` are keys that llm.toml passes through.
    """

    id: str
    proxy: str
    models: tuple[str, ...]
    api_key: str = ""
    patient: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)


def external(library: Library) -> Mapping[str, External]:
    """Models of other servers that llama-swap leads to: where no gateway stands before it."""
    gateway = library.config.gateway
    return {} if gateway.envoy.enable or gateway.litellm.enable else library.external


def leaves(library: Library) -> bool:
    """Whether any of those servers is on another machine."""
    hosts = (urlsplit(item.endpoint).hostname or "" for item in external(library).values())
    return not all(map(loopback, hosts))


def secrets(library: Library) -> tuple[Secret, ...]:
    """The keys of those servers, which llama-swap finds in its environment."""
    # A machine that is woken is handed the client's own key: llama-swap has no other for it.
    found = external(library).values()
    return tuple(item.api_key for item in found if item.api_key and not item.wake)


def peers(plan: Plan) -> Iterator[SwapPeer]:
    """The always-on servers and those of [external], so that llama-swap is one endpoint for all."""
    own_key = _reference(plan.library.config.services.api_key)
    for item in plan.placements:
        if item.keep is Keep.ALWAYS:
            yield SwapPeer(
                file_name(item.name),
                f"http://{at(plan.library, service_name(item.name))}:{item.port}",
                (*item.model.names, *plan.library.spellings(item.model.names)),
                own_key,
                patient=True,
            )
    full = plan.library.swap_version >= FULL_NAMES_SINCE
    for name, table in _asked_at_once(plan.library).items():
        own = table.upstream_model or name
        # A peer takes no other name than its own: further ones are selectors.
        one = full and not table.knows_aliases
        names = (own,) if one else (own, *others(name, table, plan.library))
        key = _reference(table.api_key)
        yield SwapPeer(_id(name), table.endpoint, names, key, more=table.llama_swap)


def selectors(library: Library) -> dict[str, Any]:
    """Names of models of other servers that those servers do not know."""
    if library.swap_version < FULL_NAMES_SINCE:
        return {}
    tables = _asked_at_once(library)
    names = Counter(table.upstream_model or name for name, table in tables.items())
    found = {}
    for name, table in tables.items():
        own = table.upstream_model or name
        target = own if names[own] == 1 else f"{_id(name)}/{own}"
        known = () if table.knows_aliases else others(name, table, library)
        for other in (name, *known):
            if other != target:
                found[other] = {"strategy": "pin", "targets": [target]}
    return found


def _asked_at_once(library: Library) -> Mapping[str, External]:
    return {name: table for name, table in external(library).items() if not table.wake}


def others(name: str, table: External, library: Library) -> tuple[str, ...]:
    """Further names of a model of another server."""
    return (*table.aliases, *library.spellings((name, *table.aliases)))


def _id(name: str) -> str:
    return f"external-{file_name(name)}"


def _reference(key: Secret | None) -> str:
    return f"${{env.{variable(key)}}}" if key else ""

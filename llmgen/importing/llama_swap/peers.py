"""llama-swap's `peers`: servers that it leads to, each model of theirs as an [external] table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from llmgen.importing.llama_swap.macros import MACHINES, expanded, macros_of, spoken
from llmgen.importing.llama_swap.plain_keys import passed
from llmgen.importing.parts import Item, Key, fault


class ImportedPeer(Struct, frozen=True):
    """One server as a file calls it: where it is, what it has, the variable with its key."""

    id: str
    endpoint: str
    models: tuple[str, ...]
    key: str = ""


def peers_of(document: Mapping[str, Any]) -> tuple[ImportedPeer, ...]:
    """The peers of a whole file."""
    macros = macros_of(document.get("macros"), {})
    found = expanded(document.get("peers") or {}, macros)
    return tuple(_peer(name, table) for name, table in _tables(found))


def external(value: object) -> Iterator[Item]:
    """One [external] table for each model of a peer."""
    tables = dict(_tables(value))
    peers = [_peer(name, table) for name, table in tables.items()]
    served = [model for peer in peers for model in peer.models]
    for peer in peers:
        yield from _items(peer, tables[peer.id], served)


def _tables(value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, table in _table(value, "peers").items():
        yield str(name), _table(table or {}, f"peers.{name}")


def _table(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"`{what}` is no table")
    return value


def _peer(name: str, table: Mapping[str, Any]) -> ImportedPeer:
    variable = ""
    if key := spoken(table.get("apiKey")):
        known = MACHINES.fullmatch(key)
        variable = known[1] if known else re.sub(r"\W", "_", f"{name}_KEY").upper()
    return ImportedPeer(
        name,
        str(table.get("proxy") or "").removesuffix("/").removesuffix("/v1"),
        tuple(spoken(model) for model in table.get("models") or ()),
        variable,
    )


def _items(peer: ImportedPeer, table: Mapping[str, Any], served: list[str]) -> Iterator[Item]:
    if peer.key and not MACHINES.fullmatch(spoken(table.get("apiKey"))):
        yield fault(
            "secret-in-clear",
            f"`apiKey` of the peer `{peer.id}` stands in clear text",
            f"it is read from the variable `{peer.key}`",
        )
    more = {key: table[key] for key in ("filters", "timeouts") if table.get(key)}
    for key in table:
        if key not in ("proxy", "apiKey", "models", "filters", "timeouts"):
            what = f"`peers.{peer.id}.{key}`"
            yield fault("unknown-key", f"llama-swap ignores the key {what} without a word")
    for model in peer.models:
        # Two peers with one model: it is only known with the peer's name before it.
        called = model if served.count(model) == 1 else f"{peer.id}/{model}"
        place = ("external", called)
        yield Key(place, ("endpoint",), peer.endpoint)
        if peer.key:
            yield Key(place, ("api_key",), {"env": peer.key})
        if called != model:
            yield Key(place, ("upstream_model",), model)
        else:
            yield Key(place, ("aliases",), [f"{peer.id}/{model}"])
        for key, inner in more.items():
            yield from passed(place, "llama_swap", f"`peers.{peer.id}.{key}`", key, inner)

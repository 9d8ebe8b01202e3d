"""One host's view of the whole llm.toml: the document of an ordinary one-host llm.toml.

What is its own is laid over what all have in common; models of other hosts become [external]
ones behind the doors of their hosts. So a host is planned, rendered and installed as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from llmgen.config.load import overlay
from llmgen.config.tables.hosts import LAID_OVER
from llmgen.config.tables.services import SETS
from llmgen.fleet.door import Door
from llmgen.fleet.sleeping_hosts import keys_of_others
from llmgen.gateway.addresses import LOOPBACK, loopback

Document = dict[str, Any]
# A server of `failover`.
ServerTable = dict[str, Any]
# Who serves a model, the first before the others.
ModelSeats = Mapping[str, tuple[str, ...]]

# Keys that say where a model is; on its host there is nothing left to say.
_WHERE: Final = ("host", "hosts")
# Name of the key in Envoy's list that the other hosts have.
FLEET: Final = "hosts"
# Where llm.toml says how the door of each kind listens.
_DOORS: Final[Mapping[str, tuple[str, ...]]] = {
    "envoy": ("gateway", "envoy"),
    "litellm": ("gateway", "litellm"),
    "llama_swap": ("services", "llama_swap"),
    "router": ("services", "router"),
    "": (),
}
_FALLBACKS: Final = ("fallbacks", "context_window_fallbacks")


class Elsewhere(Struct, frozen=True):
    """A model on other hosts: its names, and what is the same from wherever it is asked."""

    names: tuple[str, ...]
    role: str
    default: bool = False
    known_as: str = ""
    wake: Mapping[str, Any] | None = None
    fallbacks: tuple[str, ...] = ()
    context_window_fallbacks: tuple[str, ...] = ()


def own(document: Document, host: str) -> Document:
    """The tables of a host over those of the whole file, with every model as it is written."""
    mine = document["hosts"][host]
    found = {key: value for key, value in document.items() if key != "hosts"}
    for table in LAID_OVER:
        if table in mine:
            found[table] = overlay(found.get(table, {}), mine[table])
    found["hardware"] = {**found.get("hardware", {}), "host": host}
    found["models"] = overlay(found.get("models", {}), mine.get("models", {}))
    return found


def _here(table: Mapping[str, Any]) -> Document:
    return {key: value for key, value in table.items() if key not in _WHERE}


def project(
    document: Document,
    host: str,
    seats: ModelSeats,
    elsewhere: Mapping[str, Document],
    door: Door | None,
    *,
    spares: Mapping[str, Sequence[ServerTable]] = MappingProxyType({}),
) -> Document:
    """The one-host document of ``host``; with a ``door`` the other hosts come in by it.

    ``spares`` are the other hosts with models of its own.
    """
    found = own(document, host)
    models = found["models"]
    mine = {name for name in models if host in seats.get(name, ())}
    # Tables that serve nothing keep their names: nobody else may have them.
    off = {name for name, table in models.items() if table.get("enable") is False}
    kept = {name: _here(models[name]) for name in models if name in mine or name in off}
    found["models"] = kept
    for name, table in kept.items():
        if name in mine and name in spares:
            told = table.get("failover", ())
            kept[name] = {**table, "failover": [*told, *spares[name]]}
    outside = {name: item for name, item in elsewhere.items() if name not in mine}
    if outside:
        found["external"] = {**found.get("external", {}), **outside}
    else:
        _without_fallbacks(kept)
    if "plan" in found:
        found["plan"] = wishes_among(found["plan"], mine)
    if door is not None:
        _open(found, document["hosts"][host], door)
        _take(found, keys_of_others(document, host), door)
        _let_in(found, document, host, door)
    return found


def _without_fallbacks(models: dict[str, Document]) -> None:
    """Where nothing leads to other hosts, a model there stands in for none here."""
    known = {*models, *(alias for table in models.values() for alias in table.get("aliases", ()))}
    known |= {name for table in models.values() for name in table.get("variants", ())}
    for name, table in models.items():
        for key in _FALLBACKS:
            if key in table:
                models[name] = {**models[name], key: [at for at in table[key] if at in known]}


def external(item: Elsewhere, servers: Sequence[ServerTable], *, default: bool) -> Document:
    """Its table in [external], for hosts that reach it by the same ``servers`` in order."""
    first, *spares = servers
    told: Document = {**first, "role": item.role}
    if item.known_as:
        told["upstream_model"] = item.known_as
    else:
        told["knows_aliases"] = True
    if default:
        told["default"] = True
    if spares:
        told["failover"] = [dict(spare) for spare in spares]
    if len(item.names) > 1:
        told["aliases"] = [*item.names[1:]]
    if item.wake is not None:
        told["wake"] = dict(item.wake)
    for key in _FALLBACKS:
        if names := getattr(item, key):
            told[key] = [*names]
    return told


def wishes_among(plan: Mapping[str, Any], mine: set[str]) -> Document:
    """Sets of models are about one memory: what of them is on this host, if that is still a set."""
    found = dict(plan)
    for key in SETS:
        if key in found:
            kept = [[name for name in row if name in mine] for row in found[key]]
            found[key] = [row for row in kept if len(row) > 1]
    return found


def _open(found: Document, host: Mapping[str, Any], door: Door) -> None:
    """The door listens on the host's address, and asks for the host's key."""
    address, key = host.get("address", LOOPBACK), host.get("key")
    match door.kind:
        case "envoy":
            table = _table(found, "gateway", "envoy")
            _listen(table, "listen", [*dict.fromkeys([LOOPBACK, address])])
            if key is not None:
                named = {"name": FLEET, "secret": key}
                table["api_keys"] = [*table.get("api_keys", ()), named]
        case "litellm":
            table = _table(found, "gateway", "litellm")
            _listen(table, "listen", address)
            if key is not None:
                table.setdefault("master_key", key)
        case "llama_swap" | "router":
            table = _table(found, "services", door.kind)
            _listen(table, "listen", address)
            if key is not None:
                table["api_keys"] = _with(table.get("api_keys", ()), key)
            if door.kind == "llama_swap":
                table["always"] = True
        case "":
            return


def _take(found: Document, keys: Sequence[Mapping[str, str]], door: Door) -> None:
    """The door of a host that is woken takes the keys that the others' clients send."""
    if not keys:
        return
    if door.kind == "envoy":
        table = _table(found, "gateway", "envoy")
        named = ({"name": f"{FLEET}-{at}", "secret": key} for at, key in enumerate(keys, 2))
        table["api_keys"] = [*table.get("api_keys", ()), *named]
    elif door.kind in ("llama_swap", "router"):
        table = _table(found, "services", door.kind)
        for key in keys:
            table["api_keys"] = _with(table.get("api_keys", ()), key)


def _let_in(found: Document, document: Document, host: str, door: Door) -> None:
    """The other hosts alone, unless the file itself says on which address its door listens."""
    path, said = _DOORS[door.kind], own(document, host)
    for name in path:
        said = said.get(name, {})
    others = [
        table["address"]
        for name, table in document["hosts"].items()
        if name != host and not loopback(table.get("address", LOOPBACK))
    ]
    if path and "listen" not in said and others:
        _table(found, "services").setdefault("peers", [*dict.fromkeys(others)])


def _table(found: Document, *path: str) -> Document:
    """A table of the document that may be changed: the ones above it are copied, too."""
    at = found
    for name in path:
        at[name] = dict(at.get(name, {}))
        at = at[name]
    return at


def _listen(table: Document, key: str, value: object) -> None:
    table.setdefault(key, value)


def _with(keys: Sequence[object], key: object) -> list[object]:
    return [*keys] if key in keys else [*keys, key]

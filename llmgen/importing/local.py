"""Rows of a gateway that lead to a server of the same import: further names of its models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from llmgen.errors import Diagnostic
from llmgen.gateway.addresses import loopback
from llmgen.importing.parts import Part, Tables, lost

# llama-swap's and the router's own port, when a file names none.
_PORT: Final = 8080
_ENGINES: Final = (("services", "llama_swap"), ("services", "router"))
# What [models.NAME] has as well; the model itself says the rest.
_KEPT: Final = ("fallbacks", "context_window_fallbacks")
_OWN: Final = ("endpoint", "role", "upstream_model", "ctx_size", "slots", "aliases")


def with_local(part: Part) -> Part:
    """The part in which names of a gateway are those of the models that they lead to."""
    tables: Tables = {path: dict(keys) for path, keys in part.tables.items()}
    owners = dict(_owners(tables))
    faults: list[Diagnostic] = []
    far = [path for path, keys in tables.items() if path[0] == "external" and _leads(keys, tables)]
    for path in far:
        keys = tables[path]
        owner = owners.get(str(keys.get("upstream_model") or path[1]))
        if owner is None:
            continue
        names = [name for name in (path[1], *keys.get("aliases", ())) if name != owner]
        model = tables["models", owner]
        model["aliases"] = [*dict.fromkeys([*model.get("aliases", ()), *names])]
        if not model["aliases"]:
            del model["aliases"]
        model |= {key: keys[key] for key in _KEPT if key in keys}
        faults += _left(path[1], owner, keys)
        del tables[path]
    if far and not any(path[0] == "models" for path in tables):
        # llama-swap is not part of this import: the address is that of another stack.
        tables["services",] = {**tables.get(("services",), {}), "on_demand": "none"}
    return Part(tables, (*part.faults, *faults))


def _leads(keys: Mapping[str, Any], tables: Tables) -> bool:
    """Whether an external model is at the address of llama-swap or the router."""
    own = {tables.get(engine, {}).get("port", _PORT) for engine in _ENGINES}
    try:
        parts = urlsplit(str(keys.get("endpoint", "")))
        return bool(parts.hostname and loopback(parts.hostname) and parts.port in own)
    except ValueError:
        return False


def _owners(tables: Tables) -> Iterator[tuple[str, str]]:
    """Every name of a model, and the model."""
    for path, keys in tables.items():
        if path[0] == "models" and len(path) > 1:
            yield path[1], path[1]
            for name in (*keys.get("aliases", ()), *keys.get("variants", ())):
                yield str(name), path[1]


def _left(name: str, owner: str, keys: Mapping[str, Any]) -> Iterator[Diagnostic]:
    for key, value in keys.items():
        if key not in (*_OWN, *_KEPT):
            yield lost(
                f"`{key} = {value}` of `{name}`", f"it is `{owner}`, whose row llmgen writes"
            )

"""Names that other programs allow and llm.toml does not: changed, and said."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from llmgen.config.tables.base import MODEL_NAME
from llmgen.errors import Diagnostic
from llmgen.importing.model import Part, TablePath, fault, lost

_TABLES = ("models", "external")
_OTHER = re.compile(r"[^A-Za-z0-9._:/-]+")


def with_names(part: Part) -> Part:
    """The same with every model under a name that clients can send and llm.toml takes."""
    tables: dict[TablePath, dict[str, Any]] = {}
    faults: list[Diagnostic] = []
    for path, keys in part.tables.items():
        if path[0] not in _TABLES or len(path) == 1:
            tables[path] = keys
            continue
        name = _free(path[1], tables)
        if name != path[1]:
            faults.append(
                fault(
                    "renamed",
                    f"`{path[1]}` is called `{name}` in llm.toml",
                    "names are letters, digits and . _ : / -; clients that ask for the old one "
                    "have to follow",
                )
            )
        tables[path[0], name] = _own(name, keys, faults)
    return Part(tables, (*part.faults, *faults))


def _free(name: str, taken: Collection[TablePath]) -> str:
    if MODEL_NAME.fullmatch(name):
        return name
    base = _OTHER.sub("-", name).strip("-._:/")[:120] or "model"
    names = {path[1] for path in taken if len(path) > 1}
    return next(found for found in _numbered(base) if found not in names)


def _numbered(base: str) -> Iterator[str]:
    yield base
    number = 1
    while True:
        number += 1
        yield f"{base}-{number}"


def _own(name: str, keys: Mapping[str, Any], faults: list[Diagnostic]) -> dict[str, Any]:
    """The keys without aliases that cannot be: its own name, and what no name is."""
    found = dict(keys)
    aliases = [str(alias) for alias in keys.get("aliases", [])]
    kept = [alias for alias in dict.fromkeys(aliases) if MODEL_NAME.fullmatch(alias)]
    bad = [alias for alias in aliases if not MODEL_NAME.fullmatch(alias)]
    faults += [lost(f"the alias `{alias}` of `{name}`", "it is no name") for alias in bad]
    if aliases:
        found["aliases"] = [alias for alias in kept if alias != name]
    if not found.get("aliases"):
        found.pop("aliases", None)
    return found

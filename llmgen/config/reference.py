"""What llm.toml may say at one place: keys, their values and what they are for, by the schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from msgspec import Struct

from llmgen.config.tables.base import FORMS

Schema = Mapping[str, Any]
# How a table's own name is written where any name may stand.
ANY: Final = "NAME"
_LIST: Final = "list of "
_WORDS: Final = {"boolean": "true | false", "string": "text", "null": ""}


class ReferenceEntry(Struct, frozen=True):
    """A key or table: its path, the values that it takes, its text, and the keys below it."""

    path: str
    values: str
    text: str
    keys: tuple[ReferenceEntry, ...] = ()


class NoSuchKey(LookupError):
    """The schema has no such key; ``near`` is one that it has."""

    def __init__(self, path: str, near: str) -> None:
        """Say what was asked for, and what may have been meant."""
        super().__init__(path)
        self.path, self.near = path, near


def look_up(document: Schema, path: Sequence[str]) -> ReferenceEntry:
    """The place at ``path`` of the schema; the empty path is the whole file."""
    names: list[str] = []
    found: Schema = document
    for word in path:
        below = _below(document, found)
        if word in below:
            names.append(word)
        elif ANY in below:
            names.append(ANY)
        else:
            near = get_close_matches(word, below, 1)
            raise NoSuchKey(".".join((*names, word)), ".".join((*names, *near)) if near else "")
        found = below[names[-1]]
    below = _below(document, found)
    keys = tuple(_place(document, (*names, name), item) for name, item in below.items())
    return ReferenceEntry(".".join(names), _values(document, found), _text(document, found), keys)


def _place(document: Schema, names: Sequence[str], found: Schema) -> ReferenceEntry:
    return ReferenceEntry(".".join(names), _values(document, found), _text(document, found))


def _text(document: Schema, found: Schema) -> str:
    told = found.get("description") or _table(document, found).get("description", "")
    return " ".join(told.split())


def _below(document: Schema, found: Schema) -> dict[str, Schema]:
    """The keys of a table, of the tables that a list has, or of a table of any names."""
    table = _table(document, found)
    below = dict(table.get("properties", {}))
    for named in table.get("patternProperties", {}).values():
        below[ANY] = named
    return below


def _table(document: Schema, found: Schema) -> Schema:
    """The table that this is, or that its list or its choice has; else what it is itself."""
    if "$ref" in found:
        target: Schema = document["definitions"][found["$ref"].rpartition("/")[2]]
        return target
    if "items" in found:
        return _table(document, found["items"])
    tables = (_table(document, item) for item in found.get("anyOf", ()))
    return next((item for item in tables if "properties" in item), found)


def _values(document: Schema, found: Schema) -> str:
    values = " | ".join(dict.fromkeys(filter(None, _kinds(document, found))))
    # A key that takes one, or a list of which the first that fits is taken.
    one, _, several = values.partition(f" | {_LIST}")
    return f"{one} | list of them" if one == several else values


def _kinds(document: Schema, found: Schema) -> Iterator[str]:
    if "anyOf" in found:
        for item in found["anyOf"]:
            yield from _kinds(document, item)
    elif "enum" in found:
        yield from map(json.dumps, found["enum"])
    elif "$ref" in found or found.get("type") == "object":
        yield "table"
    elif found.get("type") == "array":
        yield f"{_LIST}{_values(document, found['items'])}"
    elif found.get("type") in ("integer", "number"):
        yield _number(found)
    else:
        yield FORMS.get(found.get("pattern", ""), _WORDS.get(found.get("type", ""), "anything"))


def _number(found: Schema) -> str:
    """An integer or number with its bounds; the width of the servers' integers is no bound."""
    least, most = found.get("minimum"), found.get("maximum")
    if most is not None and most >= 2**31 - 1:
        most = None
    bounds = f" from {least}" if least is not None else ""
    return f"{found['type']}{bounds}" + (f" to {most}" if most is not None else "")

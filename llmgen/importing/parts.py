"""What an importer finds: tables of llm.toml, and faults of the file that they came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from msgspec import Struct, field

from llmgen.config.variables import TablePath
from llmgen.errors import Diagnostic, Severity

# Tables of llm.toml by their paths: ("models", "coder"), ("services", "llama_swap").
Tables: TypeAlias = dict[TablePath, dict[str, Any]]
# Keys of [models.NAME] that say where its file comes from.
SOURCES = frozenset({"model", "hf_repo", "ollama", "lm_studio"})
# A switch of llama-server that is called so.
_SWITCH = re.compile(r"LLAMA_ARG_(NO_)?CORS_CREDENTIALS")
_SECRET = re.compile(r"KEY|TOKEN(?!IZ)|SECRET|PASS(W|PHRASE|_|$)|CREDENTIAL", re.IGNORECASE)


class Key(Struct, frozen=True):
    """One key that an importer found: its table, its path in there, its value."""

    table: TablePath
    path: tuple[str, ...]
    value: Any


# What an importer yields: a key for llm.toml, or something to say about the file.
Item: TypeAlias = "Key | Diagnostic"


class Part(Struct, frozen=True):
    """Keys for tables of llm.toml, and what is wrong or lost."""

    tables: dict[TablePath, dict[str, Any]] = field(default_factory=dict)
    faults: tuple[Diagnostic, ...] = ()


def part_of(items: Iterable[Item]) -> Part:
    """Everything that an importer yields, as one part."""
    tables: dict[TablePath, dict[str, Any]] = {}
    faults: list[Diagnostic] = []
    for item in items:
        if isinstance(item, Key):
            value = item.value
            for name in reversed(item.path):
                value = {name: value}
            tables[item.table] = _over(tables.get(item.table, {}), value)
        else:
            faults.append(item)
    return Part(tables, tuple(dict.fromkeys(faults)))


def items_of(part: Part) -> Iterator[Item]:
    """The other way round."""
    for table, keys in part.tables.items():
        for key, value in keys.items():
            yield Key(table, (key,), value)
    yield from part.faults


def merged(parts: Iterable[Part]) -> Part:
    """All parts as one: a later key wins, lists grow, faults keep their order."""
    tables: dict[TablePath, dict[str, Any]] = {}
    faults: list[Diagnostic] = []
    for part in parts:
        for path, keys in part.tables.items():
            tables[path] = _over(tables.get(path, {}), keys)
        faults.extend(part.faults)
    return Part(tables, tuple(dict.fromkeys(faults)))


def fault(code: str, message: str, hint: str = "") -> Diagnostic:
    """Something wrong in the imported file."""
    return Diagnostic(f"import.{code}", message, hint=hint, severity=Severity.WARNING)


def is_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret, as far as names tell."""
    return _SECRET.search(name) is not None and not _SWITCH.fullmatch(name)


def lost(what: str, why: str) -> Diagnostic:
    """Something that llm.toml does not take over."""
    return Diagnostic("import.left-out", f"{what} is left out: {why}", severity=Severity.NOTE)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for key, value in above.items():
        under = found.get(key)
        if isinstance(under, list) and isinstance(value, list):
            found[key] = [*under, *(item for item in value if item not in under)]
        elif isinstance(under, dict) and isinstance(value, dict):
            found[key] = _over(under, value)
        else:
            found[key] = value
    return found

"""What `check` would refuse of an import is left out and named: the file is never wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.config.variables import TablePath
from llmgen.errors import ConfigError, Diagnostic, KeyPath, LlmgenError, Severity
from llmgen.fleet.build import judged
from llmgen.importing.parts import Part, Tables, lost
from llmgen.importing.write import document
from llmgen.machine import machine
from llmgen.options import grouped
from llmgen.resolve.table_rules import findings

# Tables that the machine brings, not the file.
_GIVEN: Final = frozenset({"hardware", "edition"})
# Lists whose elements mean something alone; of the others, the whole list goes.
_APART: Final = (
    *("aliases", "fallbacks", "context_window_fallbacks", "lora", "override_tensor"),
    *("replicas", "api_keys", "together", "apart"),
)


def accepted(part: Part, hardware: Mapping[str, Any], *, home: str) -> Part:
    """The part without the keys that `check` would refuse, each of them named."""
    tables, faults = dict(part.tables), list(part.faults)
    # Each round takes out what the one before laid bare, and at least one key.
    while wrong := [*_wrong(tables, hardware, home)]:
        before = tables
        for item in wrong:
            tables, what = _without(tables, item.key)
            if what:
                faults.append(lost(what, _reason(item)))
        if tables is before:
            break
    return Part(tables, tuple(dict.fromkeys(faults)))


def _reason(item: Diagnostic) -> str:
    known = item.code == "config.unknown-key"
    return f"{item.message}; {item.hint}" if item.hint and not known else item.message


def _wrong(tables: Tables, hardware: Mapping[str, Any], home: str) -> Iterator[Diagnostic]:
    """The first mistake of each table: what else is wrong in it may go with it."""
    told: set[KeyPath] = set()
    for item in mistakes(document(Part(tables), hardware, home=home)):
        table = _table(tables, item.key) or item.key[:1]
        # Whole hosts, and how the others reach them, are not left out.
        given = item.key[:1] == ("hosts",) and len(table) < 3
        if item.key and item.key[0] not in _GIVEN and not given and table not in told:
            told.add(table)
            yield item


def mistakes(text: str) -> Sequence[Diagnostic]:
    """Errors of an llm.toml for which no facts of models are needed."""
    try:
        source = parse("llm.toml", text)
        config = load([source])
        if config.hosts:
            found = [*judged(config, source.document)]
        else:
            found = [*findings(config, machine(config.hardware, config.budget))]
    except ConfigError as error:
        return error.diagnostics
    except LlmgenError:
        return ()
    return [item for item in found if item.severity is Severity.ERROR]


def _table(tables: Tables, key: KeyPath) -> TablePath | None:
    """The imported table that holds this key."""
    paths = (path for path in tables if key[: len(path)] == path)
    return max(paths, key=len, default=None)


def _without(tables: Tables, key: KeyPath) -> tuple[Tables, str]:
    """The tables without a key, and what that was; the same ones where it cannot go."""
    path = _table(tables, key)
    if path is None:
        return tables, ""
    inside = key[len(path) :]
    keys, what = _cut(tables[path], inside)
    if what:
        return {**tables, path: keys}, f"`{what}` of `{path[-1]}`"
    if path[0] == "models" and tables[path].get("enable", True):
        # What has no file stays as an entry that serves nothing.
        return {**tables, path: {**tables[path], "enable": False}}, f"`{path[-1]}`"
    rest = {other: found for other, found in tables.items() if other != path}
    return rest, f"`{'.'.join(path)}`"


def _cut(keys: dict[str, Any], inside: KeyPath) -> tuple[dict[str, Any], str]:
    """The table without a key, as little of it as means something alone, and what that was."""
    if not inside or (name := str(inside[0])) not in keys:
        return keys, ""
    value = keys[name]
    rest = {key: found for key, found in keys.items() if key != name}
    match value, inside[1:]:
        case dict(), (_, *_) as inner:
            found, what = _cut(value, inner)
            if what:
                return (keys | {name: found} if found else rest), f"{name} {what}"
        case list(), (int() as at, *_) if name in _APART:
            left = [one for index, one in enumerate(value) if index != at]
            return (keys | {name: left} if left else rest), f"{name} = {value[at]}"
        case list(), (int() as at, *_) if name == "extra_args":
            left, gone = _without_word(value, at)
            return (keys | {name: left} if left else rest), f"{name} = {gone}"
        case _:
            pass
    return rest, f"{name} = {value}"


def _without_word(words: Sequence[str], at: int) -> tuple[list[str], str]:
    """The words without the option that the word at this place belongs to, and that one."""
    left: list[str] = []
    gone = ""
    start = 0
    for _, values in grouped(words):
        end = start + 1 + len(values)
        if start <= at < end:
            gone = " ".join(words[start:end])
        else:
            left += words[start:end]
        start = end
    return left, gone

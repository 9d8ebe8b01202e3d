"""What `check` would refuse of an import is left out and named: the file is never wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.errors import ConfigError, Diagnostic, KeyPath, LlmgenError, Severity
from llmgen.importing.model import Part, TablePath, lost
from llmgen.importing.write import document
from llmgen.machine import machine
from llmgen.resolve.meaning import findings

# Each round takes out what the one before laid bare.
_ROUNDS: Final = 12
# Tables that the machine brings, not the file.
_GIVEN: Final = frozenset({"hardware", "edition"})


def accepted(part: Part, hardware: Mapping[str, Any], *, home: str) -> Part:
    """The part without the keys that `check` would refuse, each of them named."""
    tables = deepcopy(part.tables)
    faults: list[Diagnostic] = []
    for _ in range(_ROUNDS):
        wrong = [*_wrong(Part(tables), hardware, home)]
        # The first word on a key counts; what stands inside a table that goes is gone with it.
        for key in dict.fromkeys(item.key for item in wrong):
            told = next(item for item in wrong if item.key == key)
            if (found := _taken(tables, key)) is not None:
                faults.append(lost(found, _reason(told)))
        if not wrong:
            break
    return Part(tables, (*part.faults, *faults))


def _reason(item: Diagnostic) -> str:
    return f"{item.message}; {item.hint}" if item.hint else item.message


def _wrong(part: Part, hardware: Mapping[str, Any], home: str) -> Iterator[Diagnostic]:
    text = document(part, hardware, home=home)
    try:
        config = load([parse("llm.toml", text)])
        found = [*findings(config, machine(config.hardware, config.budget))]
    except ConfigError as error:
        found = [*error.diagnostics]
    except LlmgenError:
        return
    for item in found:
        if item.severity is Severity.ERROR and item.key and item.key[0] not in _GIVEN:
            yield item


def _taken(tables: dict[TablePath, dict[str, Any]], key: KeyPath) -> str | None:
    """Take a key out; what it was in words, None where it is gone already."""
    path = next(
        (path for path in sorted(tables, key=len, reverse=True) if key[: len(path)] == path), None
    )
    if path is None:
        return None
    inside = key[len(path) :]
    if not inside:
        del tables[path]
        return f"`{'.'.join(map(str, path))}`"
    holder: Any = tables[path]
    for step in inside[:-1]:
        holder = _inner(holder, step)
    last = inside[-1]
    match holder, last:
        case dict(), _ if last in holder:
            value = holder.pop(last)
        case list(), int() if last < len(holder):
            value = holder.pop(last)
        case _:
            # A key that is missing: its table cannot be without it.
            return _taken(tables, key[:-1])
    if not tables[path] and path[0] in ("models", "external"):
        del tables[path]
    return f"`{' '.join(map(str, inside))} = {value}` of `{path[-1]}`"


def _inner(holder: Any, step: object) -> Any:  # noqa: ANN401 - any TOML value
    if isinstance(holder, dict):
        return holder.get(str(step))
    if isinstance(holder, list) and isinstance(step, int) and step < len(holder):
        return holder[step]
    return None

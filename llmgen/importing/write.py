"""An imported part as the text of an llm.toml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from llmgen.config.editions import EDITIONS
from llmgen.importing.model import Part, TablePath

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ORDER = ("paths", "defaults", "services", "gateway", "guard", "models", "external")


def document(part: Part, hardware: Mapping[str, Any]) -> str:
    """The llm.toml of an import on the machine that ``hardware`` describes."""
    tables: dict[TablePath, dict[str, Any]] = {("hardware",): dict(hardware), **part.tables}
    lines = [f"edition = {max(EDITIONS)}", ""]
    for path in sorted(tables, key=_rank):
        lines += [*_table(path, tables[path]), ""]
    return "\n".join(lines)


def _rank(path: TablePath) -> int:
    return 0 if path[0] == "hardware" else 1 + _ORDER.index(path[0])


def _table(path: TablePath, keys: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{'.'.join(_key(part) for part in path)}]"
    for key, item in keys.items():
        yield f"{_key(key)} = {_value(item)}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(item: Any) -> str:  # noqa: ANN401 - any TOML value
    match item:
        case bool():
            return str(item).lower()
        case int() | float():
            return repr(item)
        case dict():
            pairs = (f"{_key(key)} = {_value(inner)}" for key, inner in item.items())
            return f"{{ {', '.join(pairs)} }}"
        case list() | tuple():
            return f"[{', '.join(_value(inner) for inner in item)}]"
        case _:
            return _text(str(item))


def _text(text: str) -> str:
    # A JSON string is a TOML basic string, but for the one control character that JSON lets pass.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

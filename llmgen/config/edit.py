"""Edit the text of an llm.toml by position: comments, order and spelling of the rest are kept."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from llmgen.errors import KeyPath

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = re.compile(r"^[ \t]*\[(?!\[)([^\n]*)\][^\n]*$", re.MULTILINE)


def append_table(text: str, path: tuple[str, ...], keys: Mapping[str, Any]) -> str:
    """The text with one more table at its end, an empty line before it."""
    body = "".join(f"{key_text(key)} = {value_text(item)}\n" for key, item in keys.items())
    gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{gap}[{'.'.join(key_text(part) for part in path)}]\n{body}"


def remove_table(text: str, path: tuple[str, ...]) -> str:
    """The text without a table and the tables inside it, comments right above them included.

    Raises KeyError when no header of the text has this path (it may be written in another way).
    """
    headers = [(match, _path(match[1])) for match in _HEADER.finditer(text)]
    ends = [match.start() for match, _ in headers[1:]] + [len(text)]
    cuts = [
        (_with_comments(text, match.start()), _without_comments(text, match.end(), end))
        for (match, found), end in zip(headers, ends, strict=True)
        if found[: len(path)] == path
    ]
    if not cuts:
        raise KeyError(path)
    for start, end in reversed(cuts):
        text = text[:start] + text[end:]
    return text.rstrip("\n") + "\n"


def key_text(name: str) -> str:
    """A key as TOML writes it."""
    return name if _BARE.fullmatch(name) else value_text(name)


def value_text(item: Any) -> str:  # noqa: ANN401 - any TOML value
    """A value as TOML writes it, tables inline."""
    match item:
        case bool():
            return str(item).lower()
        case int() | float():
            return repr(item)
        case Mapping():
            pairs = (f"{key_text(key)} = {value_text(inner)}" for key, inner in item.items())
            return f"{{ {', '.join(pairs)} }}"
        case list() | tuple():
            return f"[{', '.join(value_text(inner) for inner in item)}]"
        case _:
            # A JSON string is a TOML string, but for the one control character that JSON lets pass,
            # and for halves of surrogate pairs, which are no text.
            text = str(item).encode("utf-8", "replace").decode("utf-8")
            return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _path(header: str) -> KeyPath:
    """The key path in a table's header."""
    found: list[str] = []
    table: Any = tomllib.loads(f"[{header}]\n")
    while isinstance(table, dict) and table:
        name, table = next(iter(table.items()))
        found.append(name)
    return tuple(found)


def _with_comments(text: str, start: int) -> int:
    """Where the comment lines right above a header begin."""
    while start:
        line = text.rfind("\n", 0, start - 1) + 1
        if not text[line:start].lstrip().startswith("#"):
            return start
        start = line
    return start


def _without_comments(text: str, start: int, end: int) -> int:
    """Where a table ends: comments right above the next header belong to that one."""
    while end > start and end < len(text):
        line = text.rfind("\n", 0, end - 1) + 1
        if line <= start or not text[line:end].lstrip().startswith("#"):
            return end
        end = line
    return end

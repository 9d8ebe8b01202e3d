"""The tables of an llm.toml that `llmgen sync` wrote, and the rest, which is a person's.

A table is sync's own as long as its text is what sync wrote: the comment above it has a digest of
that text. Whoever edits the table, or writes a key of it elsewhere, has made it theirs. What only
lost its comment is theirs, too: nothing is taken for sync's that does not say so.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct

from llmgen.config.edit import append_table
from llmgen.config.source import Source

_DIGITS: Final = 12
_MARK: Final = re.compile(rf"^# llmgen sync ([0-9a-f]{{{_DIGITS}}})\b[^\n]*\n$")
_SAID: Final = "written by `llmgen sync`; edited, it is yours"


class Marked(Struct, frozen=True):
    """A table below a mark: where mark and table stand in the text, and what the table says.

    ``intact`` is False once somebody has edited it.
    """

    name: str
    keys: Mapping[str, Any]
    start: int
    table: int
    end: int
    intact: bool


def marked(source: Source, others: tuple[Source, ...] = ()) -> dict[str, Marked]:
    """Every marked table of the first llm.toml by its model's name, in the order of the file.

    One that a file laid over it has keys for is not intact: these keys are a person's.
    """
    above = {name for item in others for name in _models(item.document)}
    found = (_at(source, path[1], place.value.start) for path, place in _headers(source))
    return {
        item.name: item if item.name not in above else _edited(item)
        for item in found
        if item is not None
    }


def without_marks(source: Source, tables: Mapping[str, Marked]) -> str:
    """A person's part of the text: no intact table, and no mark above an edited one."""
    text = source.text
    for item in sorted(tables.values(), key=lambda item: -item.start):
        if not item.intact:
            text = text[: item.start] + text[item.table :]
            continue
        # The empty line above it came with it.
        start = item.start
        if text[:start].endswith(("\n\n", "\n\r\n")):
            start = text.rindex("\n", 0, start - 1) + 1
        text = text[:start] + text[item.end :]
    return text


def with_tables(text: str, tables: Mapping[str, Mapping[str, Any]]) -> str:
    """A person's part with these tables behind it, each below its mark."""
    for name, keys in tables.items():
        paragraph = append_table("", ("models", name), keys)
        gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        text += f"{gap}# llmgen sync {_digest(paragraph)}: {_SAID}\n{paragraph}"
    return text


def _models(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = document.get("models", {})
    return found if isinstance(found, dict) else {}


def _headers(source: Source) -> Iterator[tuple[tuple[str, str], Any]]:
    """The headers of [models.NAME], not what only looks like one within a text."""
    for path, place in source.spans.items():
        match path:
            case ("models", str(name)) if source.text[place.value.start] == "[":
                yield ("models", name), place
            case _:
                continue


def _at(source: Source, name: str, header: int) -> Marked | None:
    text = source.text
    line = text.rfind("\n", 0, header) + 1
    above = text.rfind("\n", 0, max(0, line - 1)) + 1
    mark = _MARK.match(text[above:line].replace("\r\n", "\n")) if above < line else None
    if mark is None:
        return None
    end = _end(text, line)
    intact = _digest(text[line:end]) == mark[1] and _is_all(source, name, text[line:end])
    keys = _models(source.document).get(name, {})
    return Marked(name, keys, above, line, end, intact)


def _end(text: str, start: int) -> int:
    """Where the paragraph of a table ends: before an empty line or the next table."""
    at = text.find("\n", start) + 1
    while 0 < at < len(text):
        line = text[at : text.find("\n", at) + 1 or len(text)]
        if not line.strip() or line.lstrip().startswith("["):
            return at
        at += len(line)
    return at or len(text)


def _is_all(source: Source, name: str, paragraph: str) -> bool:
    """Whether nothing else in the file has keys for this model."""
    try:
        own = tomllib.loads(paragraph)
    except ValueError:
        return False
    return bool(_models(own).get(name) == _models(source.document).get(name))


def _digest(paragraph: str) -> str:
    lines = paragraph.replace("\r\n", "\n").rstrip("\n")
    return sha256(lines.encode("utf-8", "replace")).hexdigest()[:_DIGITS]


def _edited(item: Marked) -> Marked:
    return Marked(item.name, item.keys, item.start, item.table, item.end, intact=False)

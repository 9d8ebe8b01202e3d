"""llm.toml as text: reading it, parsing it, and saying where it is not TOML."""

from __future__ import annotations

import re
import sys
import tomllib
from datetime import date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct

from llmgen.config.spans import Located, Span, locate
from llmgen.config.syntax import explain
from llmgen.errors import ConfigError, Diagnostic, InputError, KeyPath, Location

STDIN = "<stdin>"
# A longer line is named, not shown.
LONGEST_EXCERPT = 400
# Far above what a key of llm.toml can be; below it, nothing recurses too far.
DEEPEST = 32
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class Source(Struct, frozen=True, dict=True):
    """One llm.toml: its name as the user wrote it, its text, and the parsed document."""

    name: str
    text: str
    document: dict[str, Any]

    @cached_property
    def spans(self) -> dict[KeyPath, Located]:
        """Where every key and value is written; computed for the first diagnostic only."""
        return locate(self.text)

    def location(self, span: Span) -> Location:
        """Line, column and the line's text of a span."""
        return place(self.name, self.text, span)


def read(name: str) -> Source:
    """Read a file, or standard input for ``-``; InputError or ConfigError with the place."""
    if name == "-":
        return parse(STDIN, _decode(STDIN, sys.stdin.buffer.read()))
    try:
        content = Path(name).read_bytes()
    except FileNotFoundError:
        raise InputError(
            Diagnostic("config.no-file", f"there is no `{name}`", hint="`llmgen init` writes one")
        ) from None
    except OSError as error:
        raise InputError(
            Diagnostic(
                "config.unreadable",
                f"`{name}` cannot be read: {error.strerror}",
                hint="`-c FILE` names another file",
            )
        ) from error
    return parse(name, _decode(name, content))


def parse(name: str, text: str) -> Source:
    """The document of a TOML text; ConfigError where it is not TOML, or holds a date."""
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(_syntax(name, text, "Nested too deeply")) from None
    except ValueError as error:
        # TOMLDecodeError, or Python's own limit for the digits of a number.
        raise ConfigError(_syntax(name, text, str(error))) from None
    source = Source(name, text, document)
    if (deep := _too_deep(document)) is not None:
        raise ConfigError(_deep(source, deep))
    dates = [*_dates(document)]
    if dates:
        raise ConfigError([_date(source, key) for key in dates])
    return source


def place(name: str, text: str, span: Span) -> Location:
    """A span of the text as line and column, with the line itself."""
    line = text.count("\n", 0, span.start) + 1
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    length = max(1, min(span.end, end) - span.start)
    # What a terminal would obey instead of showing it (only text that is no TOML has such).
    shown = (item if item.isprintable() or item == "\t" else "\ufffd" for item in text[start:end])
    excerpt = "".join(shown).rstrip("\ufffd") if end - start <= LONGEST_EXCERPT else ""
    return Location(name, line, span.start - start + 1, length, excerpt)


def _decode(name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        raise ConfigError(
            Diagnostic(
                "config.not-utf8",
                f"`{name}` is not UTF-8",
                location=Location(name, line, column),
                hint="save it as UTF-8",
            )
        ) from None
    return text.removeprefix("\ufeff")


def _syntax(name: str, text: str, message: str) -> Diagnostic:
    match = _AT.search(message)
    offset = len(text.rstrip()) if match is None or match[1] is None else None
    if match is not None and match[1] is not None:
        lines = text.split("\n")
        offset = sum(len(line) + 1 for line in lines[: int(match[1]) - 1]) + int(match[2]) - 1
    at, (wrong, hint) = offset or 0, explain(_AT.sub("", message))
    return Diagnostic(
        "config.not-toml",
        wrong,
        location=place(name, text, Span(at, at + 1)),
        hint=hint,
    )


def _too_deep(document: dict[str, Any]) -> KeyPath | None:
    """The first key below which more levels follow than any key of llm.toml has."""
    waiting: list[tuple[KeyPath, object]] = [((), document)]
    while waiting:
        key, value = waiting.pop()
        if len(key) > DEEPEST:
            return key
        match value:
            case dict():
                waiting += [((*key, name), item) for name, item in value.items()]
            case list():
                waiting += [((*key, at), item) for at, item in enumerate(value)]
            case _:
                pass
    return None


def _deep(source: Source, key: KeyPath) -> Diagnostic:
    shown = ".".join(str(part)[:20] for part in key[:4])
    return Diagnostic(
        "config.too-deep",
        f"`{shown}…` is nested more than {DEEPEST} levels deep",
        location=source.location(source.spans[key].value),
        hint="no key of llm.toml is; was another file meant?",
    )


def _dates(value: object, key: KeyPath = ()) -> list[KeyPath]:
    match value:
        case dict():
            return [found for name, item in value.items() for found in _dates(item, (*key, name))]
        case list():
            return [found for at, item in enumerate(value) for found in _dates(item, (*key, at))]
        case datetime() | date() | time():
            return [key]
        case _:
            return []


def _date(source: Source, key: KeyPath) -> Diagnostic:
    return Diagnostic(
        "config.date",
        "a date has no meaning in llm.toml",
        key,
        source.location(source.spans[key].value),
        hint="write text in quotes",
    )

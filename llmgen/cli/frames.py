"""Diagnostics as text: the place, the line with a caret, notes and hint."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

from llmgen.cli.printable import one_line, printable
from llmgen.errors import Diagnostic, Location, Severity

# A word longer than this is no name that anyone reads; `--json` has all of it.
_LONG = re.compile(r"(\S{80})\S{300,}(\S{8})")
_COLOUR = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


def frames(diagnostics: Iterable[Diagnostic], *, short: bool = False) -> str:
    """All diagnostics, an empty line between two frames; one line each with ``short``."""
    if short:
        return "".join(_line(item) for item in diagnostics)
    return "\n".join(_frame(item) for item in diagnostics)


def _line(item: Diagnostic) -> str:
    where = f"{_place(item.location)}: " if item.location else ""
    return _readable(f"{where}{item.severity.value}[{item.code}]: {item.message}") + "\n"


def _frame(item: Diagnostic) -> str:
    title = click.style(f"{item.severity.value}[{item.code}]", fg=_COLOUR[item.severity], bold=True)
    lines = [f"{title}: {_readable(item.message)}"]
    margin = " "
    if item.location:
        margin = " " * len(str(item.location.line))
        lines.append(f"{margin}--> {_place(item.location)}")
        lines.extend(_excerpt(item.location, margin))
    lines.extend(f"{margin} = note: {_readable(note)}" for note in item.notes)
    if item.hint:
        lines.append(f"{margin} = hint: {_readable(item.hint)}")
    return "\n".join(lines) + "\n"


def _readable(text: str) -> str:
    return _LONG.sub(r"\1…\2", one_line(text))


def _place(location: Location | None) -> str:
    if location is None:
        return ""
    return one_line(f"{location.file}:{location.line}:{location.column}")


def _excerpt(location: Location, margin: str) -> list[str]:
    if not location.excerpt:
        return []
    line = printable(location.excerpt.replace("\t", " "))
    carets = "^" * max(1, min(location.length, len(line) - location.column + 1))
    return [
        f"{margin} |",
        f"{location.line} | {line}",
        f"{margin} | {' ' * (location.column - 1)}{carets}",
        f"{margin} |",
    ]

"""What a command gives back: one value with two views, JSON and text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

from msgspec import Struct

from llmgen.cli.printable import json_text
from llmgen.errors import Diagnostic

ENVELOPE = 1


class Outcome(Struct, frozen=True):
    """The result of a command.

    ``data`` is what ``--json`` shows, ``text`` what a person sees on standard output (a string, or
    a function that prints), ``said`` what a person is told on standard error. ``ok`` False is the
    answer *no* (exit 1); ``exit_code`` overrides both where a class of errors has its own.
    """

    data: object = None
    text: str | Callable[[], None] = ""
    said: str = ""
    ok: bool = True
    diagnostics: tuple[Diagnostic, ...] = ()
    exit_code: int | None = None

    @property
    def code(self) -> int:
        """The exit code."""
        if self.exit_code is not None:
            return self.exit_code
        return 0 if self.ok else 1


def envelope(command: str, code: int, data: object, diagnostics: tuple[Diagnostic, ...]) -> str:
    """The one JSON document of a command, errors included; ends in a newline."""
    status = {0: "ok", 1: "no"}.get(code, "error")
    document = {
        "llmgen": ENVELOPE,
        "command": command,
        "status": status,
        "exit_code": code,
        "data": plain(data),
        "diagnostics": [plain(item) for item in diagnostics],
    }
    return json_text(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)) + "\n"


def plain(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Structs, enums, paths and tuples as what JSON knows."""
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case PurePath():
            return str(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case Struct():
            return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        case _:
            raise TypeError(f"{type(value).__name__} has no place in JSON")

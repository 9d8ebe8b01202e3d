"""``requires_llmgen``: an older llmgen says that it is too old before it misreads anything."""

from __future__ import annotations

import re
from typing import Any

from llmgen import __version__
from llmgen.errors import ConfigError, Diagnostic

_CLAUSE = re.compile(r"\s*(>=|<=|==|!=|>|<|~=)?\s*(\d+(?:\.\d+)*)\s*")


def refuse_other_versions(document: dict[str, Any]) -> None:
    """ConfigError when this llmgen is not one that the file asks for."""
    wanted = document.get("requires_llmgen")
    if not isinstance(wanted, str):
        return
    for clause in wanted.split(","):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise ConfigError(
                Diagnostic(
                    "config.requires",
                    f"`{wanted}` is not a range of versions",
                    ("requires_llmgen",),
                    hint='`requires_llmgen = ">=0.1"`',
                )
            )
        if not _holds(match[1] or "==", _numbers(match[2])):
            raise ConfigError(
                Diagnostic(
                    "config.other-llmgen",
                    f"this file asks for llmgen {wanted}, and this is {__version__}",
                    ("requires_llmgen",),
                    hint="install that version of llmgen",
                )
            )


def _numbers(version: str) -> tuple[int, ...]:
    # What follows the numbers (`0.2.0rc1`) does not count.
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _holds(operator: str, wanted: tuple[int, ...]) -> bool:
    width = max(len(wanted), 3)
    ours = (_numbers(__version__) + (0,) * width)[:width]
    theirs = (wanted + (0,) * width)[:width]
    match operator:
        case ">=":
            return ours >= theirs
        case "<=":
            return ours <= theirs
        case ">":
            return ours > theirs
        case "<":
            return ours < theirs
        case "!=":
            return ours != theirs
        case "~=":
            return ours >= theirs and ours[: len(wanted) - 1] == wanted[:-1]
        case _:
            return ours == theirs

"""Diagnostics, and the errors that carry them; an error's class is its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar, TypeAlias

from msgspec import Struct

KeyPath: TypeAlias = tuple[str | int, ...]


class Severity(StrEnum):
    """How much a diagnostic matters."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Location(Struct, frozen=True):
    """A place in a text file; line and column count from 1, length in characters."""

    file: str
    line: int
    column: int
    length: int = 1
    excerpt: str = ""


class Diagnostic(Struct, frozen=True):
    """One finding: a stable code, one sentence, where, and what to do about it."""

    code: str
    message: str
    key: KeyPath = ()
    location: Location | None = None
    hint: str = ""
    notes: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR


class LlmgenError(Exception):
    """Everything llmgen refuses; each subclass has its exit code."""

    exit_code: ClassVar[int] = 1

    def __init__(self, diagnostics: Sequence[Diagnostic] | Diagnostic) -> None:
        """Carry one diagnostic or several of one stage, each once."""
        self.diagnostics = (
            (diagnostics,)
            if isinstance(diagnostics, Diagnostic)
            else tuple(dict.fromkeys(diagnostics))
        )
        super().__init__("; ".join(item.message for item in self.diagnostics))


class ConfigError(LlmgenError):
    """llm.toml is invalid."""

    exit_code = 3


class InputError(LlmgenError):
    """Something outside llm.toml cannot be read, written or reached, or facts are missing."""

    exit_code = 4


class PlanError(LlmgenError):
    """The plan does not fit, or a server would refuse it."""

    exit_code = 5


class OwnershipError(LlmgenError):
    """A file in the way is not ours or was edited."""

    exit_code = 6

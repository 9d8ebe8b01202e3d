"""Which llmgen runs on a host: one that is there in this version, or this one, sent along; pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from llmgen import __version__
from llmgen.errors import InputError
from llmgen.remote import failures, own_zip
from llmgen.remote.host import Host

_OLDEST = (3, 11)


class RemoteProgram(Struct, frozen=True):
    """A program on a host with the version that it says; empty when it does not run."""

    words: tuple[str, ...]
    version: str


class Here(Struct, frozen=True):
    """What a host has; ``missing`` are the packages that its Python lacks for llmgen."""

    found: tuple[RemoteProgram, ...]
    python: tuple[int, int]
    tag: str
    machine: str
    missing: tuple[str, ...]

    @property
    def python_there(self) -> str:
        """Its Python, for people."""
        return f"Python {self.python[0]}.{self.python[1]} on {self.machine}"


class Sent(StrEnum):
    """How much of llmgen has to be sent."""

    OWN = "own"
    WHOLE = "whole"


def here(header: dict[str, Any]) -> Here | None:
    """What the host says that it has; None when that is no such thing."""
    try:
        return msgspec.convert(header, Here)
    except msgspec.ValidationError:
        return None


def chosen(host: Host, found: Here) -> RemoteProgram | Sent:
    """What runs there; InputError names the command that mends it when nothing can.

    Another version may read llm.toml in another way, so it is refused and never replaced.
    """
    for candidate in found.found:
        if candidate.version == __version__:
            return candidate
    if found.found:
        raise InputError(failures.other_version(host, found.found[0].words, found.found[0].version))
    if found.python >= _OLDEST and own_zip.needs():
        if not found.missing:
            return Sent.OWN
        if (found.tag, found.machine) == (own_zip.TAG, own_zip.MACHINE):
            return Sent.WHOLE
    raise InputError(failures.no_llmgen(host, found.python_there))


def checked(header: dict[str, Any]) -> RemoteProgram | None:
    """The llmgen that was sent, where it runs."""
    try:
        found = msgspec.convert(header.get("found"), tuple[RemoteProgram, ...])
    except msgspec.ValidationError:
        return None
    return found[0] if found else None

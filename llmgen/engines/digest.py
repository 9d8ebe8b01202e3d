"""By what a run of a server is known again: its command, but for address and further names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from llmgen.engines.base import Engine, Listen, Served

_NOWHERE: Final = Listen("", "")


def served_digest(engine: Engine, served: Served) -> str:
    """Of the program and its words; an alias more changes nothing in memory."""
    told = replace(served, names=(served.name,))
    return words_digest((engine.name, served.program, *engine.words(told, _NOWHERE)))


def words_digest(words: Iterable[str]) -> str:
    """SHA-256 of words, each ended."""
    return hashlib.sha256("".join(f"{word}\0" for word in words).encode()).hexdigest()

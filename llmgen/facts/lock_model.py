"""What llm.lock holds: the facts of each model, and what ``verify`` measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from msgspec import Struct, field

from llmgen.facts.model import GgufFacts, ModelRef

FORMAT: Final = 1


class Measured(Struct, frozen=True):
    """Bytes that a server was seen to allocate on one device, in llama.cpp's words."""

    model: int
    context: int
    compute: int


# Digest of the server's settings -> device -> bytes.
Measurements: TypeAlias = Mapping[str, Mapping[str, Measured]]


class Entry(Struct, frozen=True):
    """One model of the lock; ``revision`` is the Hub's commit, empty for files of this machine."""

    facts: GgufFacts
    revision: str = ""
    measured: Measurements = field(default_factory=dict)


class Lock(Struct, frozen=True):
    """llm.lock: one entry for each model file that llm.toml names."""

    entries: Mapping[ModelRef, Entry] = field(default_factory=dict)

    @property
    def facts(self) -> Mapping[ModelRef, GgufFacts]:
        """The facts alone."""
        return {ref: entry.facts for ref, entry in self.entries.items()}

"""What llm.lock holds: the facts of each model, and what ``verify`` and ``measure`` saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from msgspec import Struct, field

from llmgen.facts.checkpoint_model import CheckpointFacts
from llmgen.facts.gguf_facts import GgufFacts, ModelRef

FORMAT: Final = 1


class Measured(Struct, frozen=True):
    """Bytes that a server was seen to allocate on one device, in llama.cpp's words."""

    model: int
    context: int
    compute: int


# Digest of the server's settings -> device -> bytes.
Measurements: TypeAlias = Mapping[str, Mapping[str, Measured]]


class Run(Struct, frozen=True):
    """What a model's server was seen to hold at most while it ran, by ``llmgen measure``.

    ``settings`` is the digest of what was started, so that a changed command is known. ``peak`` is
    bytes by device of the plan (``host``, ``gpu0`` …), ``devices`` the names of the measured ones.
    """

    settings: str
    date: str
    program: str
    peak: Mapping[str, int]
    devices: Mapping[str, str] = field(default_factory=dict)


class Entry(Struct, frozen=True):
    """One model of the lock; ``revision`` is the Hub's commit, empty for files of this machine."""

    facts: GgufFacts | CheckpointFacts
    revision: str = ""
    measured: Measurements = field(default_factory=dict)


class Lock(Struct, frozen=True):
    """llm.lock: an entry for each model file of llm.toml, a run for each measured model."""

    entries: Mapping[ModelRef, Entry] = field(default_factory=dict)
    runs: Mapping[str, Run] = field(default_factory=dict)

    @property
    def facts(self) -> Mapping[ModelRef, GgufFacts]:
        """The facts of GGUF files alone."""
        return {
            ref: entry.facts
            for ref, entry in self.entries.items()
            if isinstance(entry.facts, GgufFacts)
        }

    @property
    def checkpoints(self) -> Mapping[ModelRef, CheckpointFacts]:
        """The facts of checkpoints alone."""
        return {
            ref: entry.facts
            for ref, entry in self.entries.items()
            if isinstance(entry.facts, CheckpointFacts)
        }

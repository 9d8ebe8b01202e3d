"""What the budget adds to the computed figures, from their measured error."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from llmgen.budget.beside.backend import COPIED_EXPERTS
from llmgen.budget.model import HOST, DeviceMemory, ServerSettings
from llmgen.units import MIB


class Extra(Struct, frozen=True):
    """Per cent of compute, and bytes, on each device."""

    percent: int
    absolute_bytes: int

    def of(self, compute_bytes: int) -> int:
        """Bytes for a compute buffer of this size."""
        return compute_bytes * self.percent // 100 + self.absolute_bytes


# Each is the smallest step of 4 MiB that covers every recorded total of its kind: 78,347 totals of
# published shapes and of every architecture's fixture, 13 builds from b9464 to b11739
# (`python -m oracle.margins` in tests prints them). In brackets the case that asks for most.
ORDINARY: Final = Extra(10, 48 * MIB)  # hy_v4 fixture, b11434
EMBEDDING: Final = Extra(10, 108 * MIB)  # glm-dsa fixture, b10335
# Recorded: 47, granitehybrid, b9464; drawn at random: 79, DeepSeek-V3 with three slots, b9464.
HOST_CACHE: Final = Extra(10, 80 * MIB)
SEVERAL_DEVICES: Final = Extra(10, 92 * MIB)  # glm5-next fixture, b11434


# Graphs that are guessed: several streams, and indexers. 822 MiB beside 1,980, glm5-next fixture,
# b11434; beside 75, drawn at random.
GUESSED: Final = Extra(25, 328 * MIB)


def margin(memory: DeviceMemory, extra: Extra, copied_expert: int = 0) -> int:
    """Bytes to keep free beside ``memory``; ``copied_expert`` is the largest matrix on the host."""
    if not memory.total:
        return 0
    if memory.device == HOST:
        return extra.of(memory.compute)
    return extra.of(memory.compute) + COPIED_EXPERTS * copied_expert


def extra(settings: ServerSettings, *, guessed: bool = False) -> Extra:
    """What this kind of server needs beside its computed figures; more where they are guessed."""
    kind = _of_kind(settings)
    if not guessed:
        return kind
    return Extra(
        max(kind.percent, GUESSED.percent), max(kind.absolute_bytes, GUESSED.absolute_bytes)
    )


def _of_kind(settings: ServerSettings) -> Extra:
    if len(settings.devices) > 1:
        return SEVERAL_DEVICES
    if settings.embedding:
        return EMBEDDING
    return ORDINARY if settings.kv_offload else HOST_CACHE

"""What the budget adds to the computed figures, from their measured error."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from llmgen.budget.beside.backend import COPIED_EXPERTS
from llmgen.budget.memory import HOST, DeviceMemory
from llmgen.budget.settings import ServerSettings
from llmgen.units import MIB


class Extra(Struct, frozen=True):
    """Per cent of compute, and bytes, on each device."""

    percent: int
    absolute_bytes: int

    def of(self, compute_bytes: int) -> int:
        """Bytes for a compute buffer of this size."""
        return compute_bytes * self.percent // 100 + self.absolute_bytes


# What estimates without a replayed graph asked for, of which there are no more. Recorded totals ask
# for 2 MiB now, embedding servers for 13 (GLM-5's fixture before b10715), several devices for none
# (`python -m oracle.margins` in tests). They stay as they are until a card has been measured: the
# oracle's devices are CPUs.
ORDINARY: Final = Extra(10, 48 * MIB)
EMBEDDING: Final = Extra(10, 108 * MIB)
HOST_CACHE: Final = Extra(10, 80 * MIB)
SEVERAL_DEVICES: Final = Extra(10, 92 * MIB)
# Graphs that are guessed. Recorded totals ask for 274 MiB (GLM-5-next's fixture, b11434), shapes
# drawn at random for 312 (the same).
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

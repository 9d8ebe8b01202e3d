"""Our figures beside the program's, device by device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.estimate import estimate
from llmgen.budget.memory import HOST, DeviceMemory
from llmgen.budget.server.geometry import AUTO_SLOTS
from llmgen.budget.settings import ServerSettings
from llmgen.facts.gguf_facts import GgufFacts
from llmgen.units import MIB

WORDS: Final = ("model", "context", "compute")


class Difference(Struct, frozen=True):
    """One device; ``theirs`` is rounded down to whole MiB."""

    device: str
    ours: DeviceMemory
    theirs: DeviceMemory

    @property
    def differs(self) -> tuple[str, ...]:
        """The words whose figures are not the same MiB."""
        return tuple(
            word
            for word in WORDS
            if getattr(self.ours, word) // MIB != getattr(self.theirs, word) // MIB
        )


def seen_by_program(settings: ServerSettings, devices: int) -> ServerSettings:
    """``settings`` as the program measures them.

    Nothing is mapped, every token has logits, and each slot has a cache of its own: the program
    knows no ``--kv-unified``. It takes the devices that it finds in their own order, so the model's
    first one is `gpu0` here; it is told shares even for one, else it would go by what is free.
    """
    shares = settings.tensor_split or (1.0,) * len(settings.devices)
    names = _numbered(devices)
    moved = dict(zip(settings.devices, _numbered(len(settings.devices)), strict=True))
    return replace(
        settings,
        devices=names,
        tensor_split=shares[:devices],
        override_tensor=tuple(
            (pattern, moved.get(target, target)) for pattern, target in settings.override_tensor
        ),
        parallel=settings.parallel if settings.parallel > 0 else AUTO_SLOTS,
        kv_unified=False,
        load_mode="none",
        embedding=False,
        pooling="mean",
        draft=None,
    )


def compare(
    facts: GgufFacts, settings: ServerSettings, build: int, theirs: Sequence[DeviceMemory]
) -> tuple[Difference, ...]:
    """Estimate what the program measured, and put both side by side."""
    devices = sum(item.device != HOST for item in theirs)
    made = estimate(facts, seen_by_program(settings, devices), build)
    ours = {item.device: item for item in made.memory}
    others = (name for name in _numbered(devices) if name not in settings.devices)
    planned = dict(zip(_numbered(devices), (*settings.devices, *others), strict=False))
    return tuple(
        Difference(planned.get(item.device, HOST), ours[item.device], item) for item in theirs
    )


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"gpu{number}" for number in range(count))

"""A machine as found."""

from __future__ import annotations

from msgspec import Struct

from llmgen.config.tables.hardware import Backend, OperatingSystem
from llmgen.profiles import profiles
from llmgen.units import GIB


class FoundMachine(Struct, frozen=True):
    """What detection saw; ``devices`` are (name for people, bytes) in the driver's order.

    ``gtt_bytes`` is the memory that an AMD APU may take from the system, ``build`` and
    ``swap_version`` are 0 where the programs are absent or do not say.
    """

    os: OperatingSystem
    backend: Backend
    memory_bytes: int
    home: str
    devices: tuple[tuple[str, int], ...] = ()
    gtt_bytes: int = 0
    unified: bool = False
    build: int = 0
    swap_version: int = 0
    programs: tuple[tuple[str, str], ...] = ()


def profile_of(found: FoundMachine) -> str:
    """The shipped profile that describes this machine; empty when none does."""
    match found.backend:
        case "metal":
            wanted = f"apple-silicon-{round(found.memory_bytes / GIB)}gb"
            return wanted if wanted in profiles() else ""
        case "cpu":
            return "cpu"
        case "cuda" if found.unified:
            return "dgx-spark"
        case _:
            return ""

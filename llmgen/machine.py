"""The machine that runs the servers: [hardware] joined with its profile, nothing left out."""

from __future__ import annotations

from dataclasses import dataclass

from llmgen.config.tables.hardware import Backend, OperatingSystem


@dataclass(frozen=True, slots=True)
class MachineDevice:
    """A device that holds layers: ``gpu0`` in plans, ``name`` for llama-server's ``--device``."""

    key: str
    name: str
    memory_bytes: int
    reserve_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """One host: memory, devices, and what the backend takes for each process.

    With ``unified`` memory the devices' ``memory_bytes`` are ceilings within ``memory_bytes``.
    ``source`` says where the profile's facts come from.
    """

    host: str
    os: OperatingSystem
    backend: Backend
    memory_bytes: int
    reserve_bytes: int
    unified: bool
    devices: tuple[MachineDevice, ...]
    process_overhead_bytes: int
    disk_bandwidth_bytes: int
    threads: int = 0
    environment: tuple[tuple[str, str], ...] = ()
    profile: str = ""
    source: str = ""

    def device(self, key: str) -> MachineDevice:
        """The device ``gpu0``, ``gpu1`` …; KeyError when there is none."""
        return {item.key: item for item in self.devices}[key]

"""Read how much memory is used: the host's, a cgroup's, the devices', and how tasks wait for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import psutil

from llmgen.detect.devices import (
    NVIDIA_DEVICES,
    NVIDIA_PROCESSES,
    Gpu,
    amd,
    amd_process,
    nvidia,
    nvidia_processes,
)
from llmgen.operate.guard.pressure import PressureReading, of_mac, of_psi, of_usage
from llmgen.operate.programs import run

CGROUPS = Path("/sys/fs/cgroup")
# (folder of the hierarchy, usage, limit) of cgroup2, of v1 alone, and of the hybrid layout.
_KINDS = (
    ("", "memory.current", "memory.max"),
    ("unified", "memory.current", "memory.max"),
    ("memory", "memory.usage_in_bytes", "memory.limit_in_bytes"),
)


def readings(threshold: int, pid: int = 0) -> Iterator[PressureReading]:
    """Everything that this machine tells about memory; ``pid`` is the engine's."""
    yield of_usage("host", host_used(), psutil.virtual_memory().total, threshold)
    if pid:
        yield from cgroup(pid, threshold)
    if found := _psi("host", Path("/proc/pressure/memory")):
        yield found
    level = run(("sysctl", "-n", "kern.memorystatus_vm_pressure_level"), seconds=10)
    if level.ok and level.output.strip().isdigit():
        yield of_mac(int(level.output))


def host_used() -> int:
    """Bytes of the machine's memory that no program could have now."""
    host = psutil.virtual_memory()
    return int(host.total - host.available)


def cgroup(pid: int, threshold: int) -> Iterator[PressureReading]:
    """Usage of every limited cgroup above a process, without file cache that can be dropped."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            yield from _limited(path, is_v1=controllers == "memory", threshold=threshold)


def devices() -> tuple[Gpu, ...]:
    """The devices of this machine with their memory, where a driver tells; in the plan's order."""
    asked = run(NVIDIA_DEVICES, seconds=30)
    return (nvidia(asked.output) if asked.ok else ()) or amd()


def free_devices() -> dict[str, int]:
    """Free bytes of each device (``gpu0`` …), where the driver tells them."""
    return {f"gpu{i}": gpu.free for i, gpu in enumerate(devices()) if gpu.free is not None}


def by_process(pids: Iterable[int], found: Sequence[Gpu]) -> dict[int, int]:
    """Device memory of processes, where the driver tells it to this user."""
    if not found:
        return {}
    asked = run(NVIDIA_PROCESSES, seconds=30)
    known = nvidia_processes(asked.output) if asked.ok else {}
    seen = {pid: known.get(pid, amd_process(pid, found[0].region)) for pid in pids}
    return {pid: size for pid, size in seen.items() if size is not None}


def _limited(path: str, *, is_v1: bool, threshold: int) -> Iterator[PressureReading]:
    for folder, usage, limit in _KINDS:
        if is_v1 != (folder == "memory"):
            continue
        own = CGROUPS / folder / path.lstrip("/")
        while own.is_relative_to(CGROUPS / folder) and own != CGROUPS / folder:
            used, most = _number(own / usage), _number(own / limit)
            # Version 1 writes a huge number for no limit, version 2 the word `max`.
            if used is not None and most is not None and most < 2**60:
                kept = max(0, used - _droppable(own))
                yield of_usage(f"cgroup {own.name}", kept, most, threshold)
            if found := _psi(f"cgroup {own.name}", own / "memory.pressure"):
                yield found
            own = own.parent


def _droppable(own: Path) -> int:
    try:
        rows = dict(line.split() for line in (own / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    # Of the whole subtree in both versions; mapped weights are active while they are used.
    return int(rows.get("total_inactive_file", rows.get("inactive_file", 0)))


def _psi(source: str, path: Path) -> PressureReading | None:
    try:
        return of_psi(source, path.read_text())
    except OSError:
        return None


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None

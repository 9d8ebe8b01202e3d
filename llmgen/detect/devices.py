"""What the drivers tell about their devices' memory: nvidia-smi's tables, amdgpu's files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from llmgen.units import GIB, MIB

# amdgpu's file of each total, in a card's folder below DRM.
TOTAL: Final = "mem_info_{region}_total"
DRM = Path("/sys/class/drm")
PROC = Path("/proc")
NVIDIA_DEVICES: Final = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,memory.used,memory.free",
    "--format=csv,noheader,nounits",
)
NVIDIA_PROCESSES: Final = (
    "nvidia-smi",
    "--query-compute-apps=pid,used_memory",
    "--format=csv,noheader,nounits",
)
# An APU's carve-out can be as small as 512 MiB; then GTT is what models live in.
SMALL_CARVE_OUT_BYTES = 4 * GIB
_FDINFO_UNITS: Final = {"KiB": 2**10, "MiB": MIB}


class Gpu(Struct, frozen=True):
    """A device's memory in bytes, None where its driver does not tell.

    ``region`` is what amdgpu calls the memory that models live in: ``vram``, or ``gtt``, the part
    of the system's memory that an APU may use.
    """

    name: str
    total: int | None
    used: int | None
    free: int | None
    region: Literal["vram", "gtt"] = "vram"


def nvidia(table: str) -> tuple[Gpu, ...]:
    """The devices that the query for devices lists, in its order."""
    rows = (line.rsplit(",", 3) for line in table.splitlines())
    sizes = ((row[0].strip(), [_mib(text) for text in row[1:]]) for row in rows if len(row) == 4)
    return tuple(Gpu(name, total, used, free) for name, (total, used, free) in sizes)


def nvidia_processes(table: str) -> dict[int, int]:
    """Bytes by process, over all devices; a process whose figure is hidden is left out."""
    found: dict[int, int] = {}
    for line in table.splitlines():
        pid, _, size = line.partition(",")
        held = _mib(size)
        if pid.strip().isdigit() and held is not None:
            found[int(pid)] = found.get(int(pid), 0) + held
    return found


def amd(drm: Path = DRM) -> tuple[Gpu, ...]:
    """AMD's devices: real cards first, else an APU's shared memory."""
    folders = sorted(drm.glob("card[0-9]*/device"))
    cards = [_amd(folder, "vram") for folder in folders]
    real = [card for card in cards if (card.total or 0) >= SMALL_CARVE_OUT_BYTES]
    shared = [_amd(folder, "gtt") for folder in folders]
    most = max(shared, key=lambda item: item.total or 0, default=None)
    return tuple(real) or ((most,) if most and most.total else ())


def amd_process(pid: int, region: str, proc: Path = PROC) -> int | None:
    """What amdgpu counts for a process; None where that is hidden or it uses no such device.

    A process may hold several descriptors of one client (kernel: drm-usage-stats).
    """
    clients = dict(_clients(sorted((proc / str(pid) / "fdinfo").glob("*")), region))
    return sum(clients.values()) if clients else None


def _clients(paths: Iterable[Path], region: str) -> Iterator[tuple[tuple[str, str], int]]:
    for path in paths:
        try:
            lines = path.read_text("ascii", "replace").splitlines()
        except OSError:
            continue
        fields = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
        size, _, unit = fields.get(f"drm-memory-{region}", "").partition(" ")
        if fields.get("drm-driver") == "amdgpu" and size.isdigit():
            client = fields.get("drm-pdev", ""), fields.get("drm-client-id", "")
            yield client, int(size) * _FDINFO_UNITS.get(unit, 1)


def _amd(folder: Path, region: Literal["vram", "gtt"]) -> Gpu:
    total = _number(folder / TOTAL.format(region=region))
    used = _number(folder / f"mem_info_{region}_used")
    free = None if total is None or used is None else total - used
    return Gpu("AMD GPU" if region == "vram" else "GTT of an AMD APU", total, used, free, region)


def _mib(text: str) -> int | None:
    return int(text) * MIB if text.strip().isdigit() else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None

"""Memory of each device by process, as the drivers tell it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from llmgen.detect.devices import amd_process
from llmgen.operate.programs import run
from llmgen.operate.status.memory import devices
from llmgen.units import MIB

NVIDIA_PLACES: Final = ("nvidia-smi", "--query-gpu=uuid,name", "--format=csv,noheader")
NVIDIA_USE: Final = (
    "nvidia-smi",
    "--query-compute-apps=gpu_uuid,pid,used_memory",
    "--format=csv,noheader,nounits",
)


def device_names() -> Mapping[str, str]:
    """``gpu0`` … with the names that their driver gives them."""
    return {f"gpu{number}": gpu.name for number, gpu in enumerate(devices())}


def device_use(pids: Iterable[int]) -> Mapping[str, int]:
    """Bytes of these processes on each device; what a driver does not tell is not there."""
    wanted = {*pids}
    places = run(NVIDIA_PLACES, seconds=30)
    if places.ok:
        used = run(NVIDIA_USE, seconds=30)
        return nvidia_use(places.output, used.output, wanted) if used.ok else {}
    found = devices()
    if len(found) != 1:
        # amdgpu tells the card of a process by its address, which the plan does not know.
        return {}
    sizes = [size for pid in wanted if (size := amd_process(pid, found[0].region)) is not None]
    return {"gpu0": sum(sizes)} if sizes else {}


def nvidia_use(places: str, used: str, wanted: set[int]) -> Mapping[str, int]:
    """Both tables of nvidia-smi joined; a hidden figure (WSL, containers) leaves a device out."""
    keys = {
        line.partition(",")[0].strip(): f"gpu{number}"
        for number, line in enumerate(places.splitlines())
    }
    found: dict[str, int] = {}
    hidden: set[str] = set()
    for line in used.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) != 3 or parts[0] not in keys or not parts[1].isdigit():
            continue
        key = keys[parts[0]]
        if int(parts[1]) not in wanted:
            continue
        if parts[2].isdigit():
            found[key] = found.get(key, 0) + int(parts[2]) * MIB
        else:
            hidden.add(key)
    return {key: size for key, size in found.items() if key not in hidden}

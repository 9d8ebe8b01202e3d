"""[hardware] of the machine that an imported file is from, where it is not this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmgen.errors import Diagnostic
from llmgen.importing.machine import DeviceNeeds
from llmgen.importing.parts import fault
from llmgen.profiles import profiles

# What most cards and hosts of such files have; whoever imports is told to write the real ones.
_DEVICE, _HOST = "24GiB", "64GiB"
_MAC: Final = "apple-silicon-64gb"
_SAY: Final = {"cuda": "`nvidia-smi`", "rocm": "`rocm-smi --showmeminfo vram`"}


def hardware_of(needs: DeviceNeeds, here: int) -> tuple[dict[str, Any], tuple[Diagnostic, ...]]:
    """A machine with the devices that the files name, and what to fill in."""
    if needs.backend == "metal":
        told = _told(needs, f"is no Mac, and `{_MAC}` stands in", needs.backend)
        return {"profile": _MAC}, (told,)
    count = max(needs.count, 1)
    told = _told(
        needs,
        f"has {here or 'none'}: [hardware] has {count} of {_DEVICE} and {_HOST} for the host",
        needs.backend,
    )
    return {
        "os": "linux",
        "backend": needs.backend or "cuda",
        "memory": _HOST,
        "devices": [{"memory": _DEVICE}] * count,
    }, (told,)


def enough(
    hardware: Mapping[str, Any], needs: DeviceNeeds
) -> tuple[dict[str, Any], tuple[Diagnostic, ...]]:
    """The machine of a profile, with as many of its devices as the files name."""
    table = profiles().get(hardware["profile"], {})
    devices = table.get("devices", [])
    if not table or len(devices) >= needs.count:
        return dict(hardware), ()
    first = devices[0] if devices else {"memory": _DEVICE}
    same = {key: value for key, value in first.items() if key != "name"}
    told = _told(
        needs,
        f"has {len(devices) or 'none'} by its profile: [hardware] has {needs.count} of "
        f"{same['memory']}",
        str(table.get("backend", "")),
    )
    return {**hardware, "devices": [same] * needs.count}, (told,)


def _told(needs: DeviceNeeds, but: str, backend: str) -> Diagnostic:
    names = ", ".join(f"`{name}`" for name in needs.names) or f"{needs.count} devices"
    how = f" ({_SAY[backend]} says it)" if backend in _SAY else ""
    return fault(
        "other-machine",
        f"the file speaks of {names}, and this machine {but}",
        f"fill in the `memory` of the host and of each device as that machine has them{how}",
    )

"""Whether heat slows the machine down: what drivers, sensors and macOS say of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.observations import Seen
from llmgen.plan.plan import Plan

# The names that every driver since R375 takes; R535 calls them clocks_event_reasons, too.
_FIELDS: Final = (
    "index",
    "temperature.gpu",
    "clocks_throttle_reasons.hw_thermal_slowdown",
    "clocks_throttle_reasons.sw_thermal_slowdown",
)
NVIDIA: Final = ("nvidia-smi", f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader")
MACOS: Final = ("pmset", "-g", "therm")
# Below a card's folder in /sys/class/drm: the sensors of amdgpu, in thousandths of a degree
# (Linux, Documentation/gpu/amdgpu/thermal.rst); temp1 is the edge, temp2 the hottest place.
SENSORS: Final = "hwmon/hwmon*/temp[12]_*"
# So near to the temperature at which the card protects itself, its clocks are down already.
NEAR_DEGREES: Final = 5
_SPEED_LIMIT: Final = re.compile(r"CPU_Speed_Limit\s*=\s*(\d+)")
_FIX: Final = "clean filters and fans, give the machine air, or lower the power limit"


def nvidia(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """NVIDIA: no card is slowed down by its temperature now."""
    if plan.library.machine.backend != "cuda":
        return
    ran = seen.ran.get(" ".join(NVIDIA))
    rows = [row.split(", ") for row in ran.out.splitlines()] if ran and ran.code == 0 else []
    found = [row for row in rows if len(row) == 4]
    if not found:
        why = "`nvidia-smi` does not tell"
        yield unknown("gpu-heat", "nvidia-smi", "no thermal slowdown", why)
    for index, degrees, *slowed in found:
        yield judged(
            "gpu-heat",
            f"GPU {index}",
            "no thermal slowdown",
            f"{degrees} °C, {'slowed down' if 'Active' in slowed else 'not slowed down'}",
            ok="Active" not in slowed,
            fix=_FIX,
        )


def amd(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """AMD: no sensor is near the temperature at which the card protects itself."""
    if plan.library.machine.backend not in ("rocm", "vulkan"):
        return
    told = [*_sensors(seen)]
    if not told:
        yield unknown("gpu-heat", "sensors", "below their limits", "no sensor with a limit is here")
    for path, degrees, most in told:
        yield judged(
            "gpu-heat",
            path,
            f"below {most - NEAR_DEGREES} °C (critical at {most} °C)",
            f"{degrees} °C",
            ok=degrees < most - NEAR_DEGREES,
            fix=_FIX,
        )


def _sensors(seen: Seen) -> Iterator[tuple[str, int, int]]:
    """Each sensor with a limit: where it is, degrees now, critical degrees."""
    for path, text in seen.sysfs.items():
        limit = seen.sysfs.get(path.replace("_input", "_crit"), "").strip()
        if path.endswith("_input") and text.strip().isdigit() and limit.isdigit():
            yield path, int(text) // 1000, int(limit) // 1000


def macos(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """macOS: the system does not limit the processor's speed."""
    if plan.library.machine.os != "macos":
        return
    ran = seen.ran.get(" ".join(MACOS))
    found = _SPEED_LIMIT.search(ran.out) if ran else None
    if found is None:
        yield unknown("gpu-heat", "pmset -g therm", "CPU_Speed_Limit = 100", "it names no limit")
        return
    yield judged(
        "gpu-heat",
        "pmset -g therm",
        "CPU_Speed_Limit = 100",
        found[0],
        ok=int(found[1]) >= 100,
        fix=_FIX,
    )

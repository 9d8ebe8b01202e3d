"""The GPU as the server sees it: driver, toolkit, backend in the build, device groups."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmgen.doctor.model import Finding, Seen, judged, unknown
from llmgen.doctor.rules.programs import needed
from llmgen.plan.model import Plan

# The CUDA release that first knows a profile's GPU. GB10 is compute capability 12.1:
# CUDA 13.0 release notes.
CUDA_SINCE = {"dgx-spark": (13, 0)}
# What `llama-server --list-devices` prefixes a backend's devices with.
DEVICE_PREFIX = {"cuda": "CUDA", "rocm": "ROCm", "vulkan": "Vulkan", "metal": "Metal"}
_METAL_ALSO = "MTL"


def nvidia_driver(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """NVIDIA: the driver answers and lists the devices of [hardware]."""
    machine = plan.library.machine
    if machine.backend != "cuda":
        return
    expected = f"{len(machine.devices)} device(s) listed by `nvidia-smi -L`"
    ran = seen.ran.get("nvidia-smi -L")
    if ran is None or ran.code is None:
        yield unknown("nvidia-driver", "nvidia-smi", expected, "`nvidia-smi` could not be run")
        return
    listed = [line for line in ran.out.splitlines() if line.startswith("GPU ")]
    yield judged(
        "nvidia-driver",
        "nvidia-smi",
        expected,
        f"{len(listed)} listed",
        ok=ran.code == 0 and len(listed) >= len(machine.devices),
        evidence=(ran.text.splitlines() or [""])[0],
        fix="install the driver of your distribution and reboot; `nvidia-smi` must list every card",
    )


def toolkit(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """NVIDIA: the driver's CUDA release knows the GPU."""
    machine = plan.library.machine
    least = CUDA_SINCE.get(machine.profile)
    if machine.backend != "cuda" or least is None:
        return
    expected = f"CUDA {least[0]}.{least[1]} or newer"
    ran = seen.ran.get("nvidia-smi")
    match = re.search(r"CUDA Version: (\d+)\.(\d+)", ran.out) if ran else None
    if match is None:
        yield unknown("cuda-release", "nvidia-smi", expected, "`nvidia-smi` names no CUDA version")
        return
    found = (int(match[1]), int(match[2]))
    yield judged(
        "cuda-release",
        "nvidia-smi",
        expected,
        f"CUDA {found[0]}.{found[1]}",
        ok=found >= least,
        fix="update the NVIDIA driver",
    )


def backend_in_build(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """llama-server was built with the backend of [hardware]: not a CPU-only build beside a GPU."""
    machine = plan.library.machine
    if not machine.devices or "llama_server" not in needed(plan):
        return
    prefix = DEVICE_PREFIX[machine.backend]
    expected = f"{len(machine.devices)} {prefix} device(s) in `llama-server --list-devices`"
    ran = seen.ran.get("llama_server --list-devices")
    if ran is None or ran.code != 0:
        yield unknown("backend", "llama-server", expected, "`--list-devices` could not be run")
        return
    names = (prefix, _METAL_ALSO) if machine.backend == "metal" else (prefix,)
    listed = [line.strip() for line in ran.out.splitlines() if line.strip().startswith(names)]
    yield judged(
        "backend",
        "llama-server",
        expected,
        "; ".join(listed) or "none: this build runs on the CPU only",
        ok=len(listed) >= len(machine.devices),
        fix=f"install a llama.cpp that is built for {machine.backend}",
    )


def groups(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Linux: the service user may open the GPU's device files."""
    library = plan.library
    if library.machine.os != "linux" or library.machine.backend not in ("rocm", "vulkan"):
        return
    is_system = library.config.services.scope == "system"
    # A user's own services run as whoever asks; the shell knows the name.
    user = library.config.services.user if is_system else "$USER"
    wanted = library.config.services.groups
    expected = f"`{user}` in {', '.join(wanted)}"
    if is_system:
        # The unit's SupplementaryGroups= gives them, whatever the user is in.
        yield judged("gpu-groups", user, expected, "given by the unit", ok=True)
        return
    if seen.groups is None:
        yield unknown("gpu-groups", user, expected, "the groups could not be read")
        return
    missing = [group for group in wanted if group not in seen.groups]
    yield judged(
        "gpu-groups",
        user,
        expected,
        f"missing: {', '.join(missing)}" if missing else "all of them",
        ok=not missing,
        fix=f"`sudo usermod -aG {','.join(missing)} {user}`, then log in again",
    )

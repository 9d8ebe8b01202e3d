"""The GPU as the server sees it: driver, toolkit, backend in the build, device groups."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.observations import Seen
from llmgen.doctor.rules.programs import needed
from llmgen.plan.plan import Plan
from llmgen.units import MIB, show_size

# Which release of ROCm is installed (ROCm's own file).
ROCM_RELEASE = "/opt/rocm/.info/version"
# What `llama-server --list-devices` prefixes a backend's devices with.
DEVICE_PREFIX = {"cuda": "CUDA", "rocm": "ROCm", "vulkan": "Vulkan", "metal": "Metal"}
_METAL_ALSO = "MTL"
# `  CUDA0: NVIDIA GeForce RTX 4090 (24080 MiB, 23686 MiB free)`
_LISTED = re.compile(r"^ +(\S+): .*\((\d+) MiB, \d+ MiB free\)$", re.MULTILINE)
_REPORTED = 0.95


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
    """The CUDA release of the driver, or the installed ROCm, knows the profile's GPU."""
    machine = plan.library.machine
    if not machine.toolkit:
        return
    if machine.backend == "cuda":
        ran = seen.ran.get("nvidia-smi")
        found = re.search(r"CUDA Version: (\d+\.\d+)", ran.out if ran else "")
        rule, subject, name, fix = "cuda-release", "nvidia-smi", "CUDA", "update the NVIDIA driver"
    else:
        found = re.match(r"(\d+\.\d+)", seen.sysfs.get(ROCM_RELEASE, ""))
        rule, subject, name, fix = "rocm-release", ROCM_RELEASE, "ROCm", "install a newer ROCm"
    expected = f"{name} {machine.toolkit} or newer"
    if found is None:
        yield unknown(rule, subject, expected, f"`{subject}` names no {name} version")
        return
    yield judged(
        rule,
        subject,
        expected,
        f"{name} {found[1]}",
        ok=_release(found[1]) >= _release(machine.toolkit),
        fix=fix,
    )


def _release(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


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


def device_order(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Each device has the memory under its own name that [hardware] gives it."""
    machine = plan.library.machine
    if len(machine.devices) < 2 or machine.unified:
        return
    told = ", ".join(f"{item.name} {show_size(item.memory_bytes)}" for item in machine.devices)
    expected = f"{told} in `llama-server --list-devices`"
    ran = seen.ran.get("llama_server --list-devices")
    sizes = {
        name.casefold(): int(size) * MIB for name, size in _LISTED.findall(ran.out if ran else "")
    }
    if ran is None or ran.code != 0 or not sizes:
        yield unknown("device-order", "llama-server", expected, "`--list-devices` lists no memory")
        return
    found = [(item, sizes.get(item.name.casefold(), 0)) for item in machine.devices]
    yield judged(
        "device-order",
        "llama-server",
        expected,
        ", ".join(f"{item.name} {show_size(size)}" for item, size in found),
        # CUDA and Vulkan leave out what the driver keeps: 2 % of an RTX 4090's.
        ok=all(size >= item.memory_bytes * _REPORTED for item, size in found),
        fix="[hardware] devices in this order, or the `name` of each",
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

"""Whether llama-server has code for this GPU: what logs say, and what the kernel sees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.observations import Seen
from llmgen.plan.plan import Plan

# Below /sys/class/kfd: a line `gfx_target_version 110501` for each GPU of amdkfd (0: a CPU).
KFD_NODES: Final = "/sys/class/kfd/kfd/topology/nodes"
_TARGET: Final = re.compile(r"^gfx_target_version (\d+)$", re.MULTILINE)
OVERRIDE: Final = "HSA_OVERRIDE_GFX_VERSION"
# How CUDA, HIP and rocBLAS say that a library has nothing for this GPU.
_NO_CODE: Final = re.compile(
    r"^.*(no kernel image is available|invalid device function|hipErrorNoBinaryForGpu"
    r"|TensileLibrary.* for GPU arch).*$",
    re.MULTILINE,
)
_OPTION: Final = {"cuda": "-DCMAKE_CUDA_ARCHITECTURES=", "rocm": "-DGPU_TARGETS="}


def code_for_gpu(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """No log says that the build lacks code for the GPU."""
    backend = plan.library.machine.backend
    if backend not in _OPTION:
        return
    for name in (item.name for item in plan.placements if item.name in seen.logs):
        found = _NO_CODE.search(seen.logs[name])
        yield judged(
            "gpu-code",
            name,
            "a llama.cpp with code for this GPU",
            "it has none" if found else "no complaint in its log",
            ok=found is None,
            evidence=found[0].strip() if found else "",
            fix=f"a build with `{_OPTION[backend]}{_wanted(plan, seen) or 'native'}`",
        )


def _wanted(plan: Plan, seen: Seen) -> str:
    return next(iter(targets(seen)), "") or plan.library.machine.architecture


def targets(seen: Seen) -> list[str]:
    """The GPUs of amdkfd as a compiler calls them: ``gfx1151``."""
    numbers = [
        int(number)
        for path, text in sorted(seen.sysfs.items())
        if path.startswith(KFD_NODES)
        for number in _TARGET.findall(text)
    ]
    return [f"gfx{at // 10000}{at // 100 % 100:x}{at % 100:x}" for at in numbers if at]


def architecture(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """ROCm: the GPU is the one of [hardware], and an override is of its family."""
    machine = plan.library.machine
    if machine.backend != "rocm":
        return
    found = targets(seen)
    if machine.architecture and not found:
        why = f"no GPU below `{KFD_NODES}`"
        yield unknown("gpu-architecture", "ROCm", machine.architecture, why)
    if machine.architecture and found:
        yield judged(
            "gpu-architecture",
            "ROCm",
            machine.architecture,
            ", ".join(found),
            ok=machine.architecture in found,
            fix=f'`architecture = "{found[0]}"` in [hardware], or another profile',
        )
    override = dict(machine.environment).get(OVERRIDE)
    if override and found:
        yield judged(
            "gpu-architecture",
            OVERRIDE,
            f"a version of the family of {found[0]}",
            override,
            ok=found[0].removeprefix("gfx").startswith(override.split(".")[0]),
            fix=f"take `{OVERRIDE}` out of [hardware] environment",
        )

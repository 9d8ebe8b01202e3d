"""Memory of the machine against the profile: total, AMD's split, Apple's wired limit."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.detect.devices import TOTAL
from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.observations import Seen
from llmgen.plan.plan import Plan
from llmgen.targets.host.memory import (
    gtt_pages,
    is_within_default,
    most_on_a_device,
    wired_mebibytes,
)
from llmgen.units import GIB, MIB, show_size

VRAM, GTT = TOTAL.format(region="vram"), TOTAL.format(region="gtt")
TTM_PAGES = "/sys/module/ttm/parameters/pages_limit"
# The kernel keeps a part of what is installed: firmware, its own image, the crash area.
KERNEL_SHARE = 0.06


def total(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """The machine has the memory that [hardware] says."""
    machine = plan.library.machine
    expected = f"{show_size(machine.memory_bytes)} for the host"
    if seen.memory_bytes is None:
        yield unknown("memory-total", machine.host, expected, "the total could not be read")
        return
    yield judged(
        "memory-total",
        machine.host,
        expected,
        show_size(seen.memory_bytes),
        ok=seen.memory_bytes >= machine.memory_bytes * (1 - KERNEL_SHARE),
        fix=_more_memory(plan, seen.memory_bytes),
    )


def _more_memory(plan: Plan, found_bytes: int) -> str:
    fix = f'`memory = "{found_bytes // GIB}GiB"` in [hardware]'
    if plan.library.machine.backend in ("rocm", "vulkan"):
        return f"{fix}, or a smaller carve-out in the firmware"
    return f"{fix}, or the profile of this machine"


def amd_split(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """AMD APUs: carve-out plus GTT, as the kernel reports them, hold what each device may take."""
    machine = plan.library.machine
    if machine.os != "linux" or machine.backend not in ("rocm", "vulkan") or not machine.devices:
        return
    wanted = most_on_a_device(machine)
    expected = f"carve-out or GTT of at least {show_size(wanted)}"
    vram, gtt = _most(seen, VRAM), _most(seen, GTT)
    if vram is None and gtt is None:
        yield unknown("gpu-memory", "amdgpu", expected, f"no {VRAM} below /sys/class/drm")
        return
    yield judged(
        "gpu-memory",
        "amdgpu",
        expected,
        f"carve-out {show_size(vram or 0)}, GTT {show_size(gtt or 0)}",
        # A driver reports a little less than the firmware's round number.
        ok=max(vram or 0, gtt or 0) >= wanted * 0.98,
        evidence=f"{TTM_PAGES} = {seen.sysfs.get(TTM_PAGES, 'not readable').strip()}",
        fix=f"kernel argument `ttm.pages_limit={gtt_pages(machine)}` (`llmgen host` has it as a "
        "file), or a larger carve-out in the firmware",
    )


def _most(seen: Seen, name: str) -> int | None:
    """The largest of the cards' figures: beside a card there may be an APU with little."""
    found = (text for path, text in seen.sysfs.items() if path.endswith(name))
    return max((int(text) for text in found if text.strip().isdigit()), default=None)


def wired_limit(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """macOS: the wired limit lets the GPU take what the plan gives it."""
    machine = plan.library.machine
    if machine.backend != "metal" or not machine.devices:
        return
    wanted = most_on_a_device(machine)
    ran = seen.ran.get("sysctl iogpu.wired_limit_mb")
    expected = f"a GPU working set of at least {show_size(wanted)}"
    text = ran.out.strip() if ran and ran.code == 0 else ""
    if not text.isdigit():
        yield unknown("wired-limit", machine.host, expected, "`sysctl iogpu.wired_limit_mb` failed")
        return
    limit = int(text) * MIB
    fix = (
        f"`sudo sysctl iogpu.wired_limit_mb={wired_mebibytes(machine)}` until the next boot; "
        "`llmgen host` has it for every boot"
    )
    if limit == 0:
        yield judged(
            "wired-limit",
            machine.host,
            expected,
            "the system's default",
            ok=is_within_default(machine),
            fix=fix,
        )
        return
    yield judged(
        "wired-limit",
        machine.host,
        expected,
        show_size(limit),
        ok=limit >= wanted,
        fix=fix,
    )

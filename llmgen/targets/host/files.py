"""Which files a machine needs for a plan, with the source of each number; none for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from msgspec import Struct

from llmgen.artifacts import Render
from llmgen.gateway.exposure import FREE_PORT, own_ports
from llmgen.plan.plan import Plan
from llmgen.targets import accounts
from llmgen.targets.host import system_files
from llmgen.targets.host.firewall import firewall
from llmgen.targets.host.macos import wired_limit
from llmgen.targets.host.memory import (
    GTT_BY_TTM,
    gtt_mebibytes,
    gtt_pages,
    has_gtt,
    locked_bytes,
    most_on_a_device,
)
from llmgen.targets.host.system_files import SystemFile
from llmgen.targets.services import services
from llmgen.units import show_size


class HostFile(Struct, frozen=True):
    """One file of the machine as it should be."""

    kind: SystemFile
    content: bytes


Made: TypeAlias = Iterator[tuple[SystemFile, bytes]]
# Both modules may be on a machine: the kernel's, and that of AMD's own driver package.
_TTM: Final = ("ttm", "amdttm")
_GPU_GROUP: Final = "render"
_CARD_GROUP: Final = "video"


def files(plan: Plan, render: Render) -> list[HostFile]:
    """Every file that the plan asks for, in the order in which they count.

    Raises InputError where the firewall's rules are wanted and a listener has a name instead of an
    address.
    """
    made = {kind: content for make in _MAKERS for kind, content in make(plan, render)}
    return [HostFile(kind, made[kind]) for kind in system_files.SYSTEM_FILES if kind in made]


def _gtt(plan: Plan, render: Render) -> Made:
    machine = plan.library.machine
    if not has_gtt(machine):
        return
    size, source = show_size(most_on_a_device(machine)), machine.source or "[hardware] devices"
    pages, gttsize = gtt_pages(machine), gtt_mebibytes(machine) if _is_before_ttm(plan) else 0
    values = {"why": f"GTT of {size}; source: {source}", "modules": _TTM}
    line = [f"{module}.pages_limit={pages}" for module in _TTM]
    line += [f"amdgpu.gttsize={gttsize}"] if gttsize else []
    yield (
        system_files.MODPROBE,
        render("host/modprobe.conf.j2", **values, pages=pages, gttsize=gttsize),
    )
    yield (
        system_files.KERNEL_LINE,
        render("host/kernel-command-line.txt.j2", **values, line=" ".join(line)),
    )


def _is_before_ttm(plan: Plan) -> bool:
    kernel = plan.library.config.targets.host.kernel
    return kernel is not None and tuple(map(int, kernel.split("."))) < GTT_BY_TTM


def _devices(plan: Plan, render: Render) -> Made:
    machine, groups = plan.library.machine, plan.library.config.services.groups
    opened = machine.backend in ("rocm", "vulkan") and bool(machine.devices)
    if machine.os != "linux" or not opened or not groups:
        return
    yield (
        system_files.UDEV,
        render(
            "host/udev.rules.j2",
            compute=_GPU_GROUP if _GPU_GROUP in groups else groups[0],
            card=_CARD_GROUP if _CARD_GROUP in groups else "",
            kfd=machine.backend == "rocm",
        ),
    )


def _accounts(plan: Plan, render: Render) -> Made:
    library = plan.library
    table, machine = library.config.services, library.machine
    if machine.os != "linux":
        return
    groups = table.groups if machine.devices and machine.backend in ("rocm", "vulkan") else ()
    users: list[str] = []
    if table.scope == "system":
        users = [accounts.user(table, item.name) for item in services(plan)]
    own = accounts.group(table) if users else None
    if users or groups:
        values = {
            "groups": dict.fromkeys([*groups, *([own] if own else [])]),
            "users": dict.fromkeys(users),
            "home": library.layout.state,
            "primary": own,
            "joined": groups,
        }
        yield system_files.ACCOUNTS, render("host/sysusers.conf.j2", **values)


def _ports(plan: Plan, render: Render) -> Made:
    config = plan.library.config
    is_own = config.services.scope == "user" and plan.library.machine.os == "linux"
    low = [(port, who) for who, port, _ in own_ports(config) if 0 < port < FREE_PORT]
    if is_own and low:
        port, who = min(low)
        why = f"`{who}` of a user listens on port {port}; the kernel keeps ports below {FREE_PORT}"
        yield system_files.SYSCTL, render("host/sysctl.conf.j2", port=port, why=f"{why} for root")


def _huge_pages(plan: Plan, render: Render) -> Made:
    wanted = plan.library.config.targets.host.huge_pages
    if wanted is not None and plan.library.machine.os == "linux":
        yield system_files.HUGE_PAGES, render("host/huge-pages.conf.j2", wanted=wanted)


def _locked(plan: Plan, render: Render) -> Made:
    """Units of the system say `LimitMEMLOCK=` themselves, property lists `MemoryLock`."""
    library, size = plan.library, locked_bytes(plan)
    if size and library.config.services.scope == "user" and library.machine.os == "linux":
        weights = f"{show_size(size)}, the weights of the largest model that locks them"
        why = f'`load_mode = "mlock"`: one process locks up to {weights}'
        values = {"why": why, "bytes": size, "kibibytes": -(-size // 1024)}
        yield system_files.LIMITS, render("host/limits.conf.j2", **values)
        yield system_files.MANAGER, render("host/user-manager.conf.j2", **values)


def _wired(plan: Plan, render: Render) -> Made:
    del render  # plistlib knows the format better than a template.
    content = wired_limit(plan.library.machine)
    if content is not None:
        yield system_files.WIRED, content


_MAKERS: Final[tuple[Callable[[Plan, Any], Made], ...]] = (
    _gtt,
    _accounts,
    _devices,
    _ports,
    _huge_pages,
    _locked,
    _wired,
    firewall,
)

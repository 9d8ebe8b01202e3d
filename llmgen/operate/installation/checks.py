"""What an install says about this machine: linger, memlock, GPU groups, accounts."""

from __future__ import annotations

import getpass
import grp
import os
import pwd
import resource
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from llmgen.config.tables.services import Services
from llmgen.errors import Diagnostic, InputError, Severity
from llmgen.operate.installation.units import Unit
from llmgen.operate.managers.keepers import RuntimeSwitch
from llmgen.operate.programs import run
from llmgen.operate.site import Site
from llmgen.plan.plan import Plan
from llmgen.targets.services import demand, services

# Device nodes that ROCm and Vulkan open, and CUDA's own.
# Keys of [paths] that name one.
PROGRAMS = (
    "llama_server", "rpc_server", "llama_swap", "envoy", "litellm", "llmgen", "open_webui",
)  # fmt: skip
_DEVICES = ("dev/kfd", "dev/dri/renderD*", "dev/nvidia[0-9]*")


def remarks(site: Site, services: Services, units: Iterable[Unit]) -> Iterator[Diagnostic]:
    """Everything about this machine that would keep the units from working; nothing is changed."""
    if site.is_staged or site.os != "linux":
        return
    chosen = [*units]
    if services.scope == "user":
        yield from _linger()
        yield from _memlock(chosen)
        yield from _devices(site.root)
    elif site.runtime == "native":
        # Within containers users and groups are the images' own.
        yield from _accounts(services, chosen)


_RUN_IN: Final = {
    "native": "programs of this machine",
    "compose": "containers of compose",
    "quadlet": "containers of quadlets",
}


def switching(found: RuntimeSwitch | None) -> Iterator[Diagnostic]:
    """What an install says that moves the services to another runtime."""
    if found is not None:
        yield Diagnostic(
            "operate.switches-runtime",
            f"the services move from {_RUN_IN[found.old]} to {_RUN_IN[found.new]}: what runs ends "
            "before anything new starts, so that memory never holds both",
            hint="`llmgen rollback` goes back the same way",
            severity=Severity.NOTE,
        )


def refuse_containers(site: Site) -> None:
    """InputError where cron should keep up what a program for containers keeps up by itself."""
    if site.runtime == "native":
        return
    raise InputError(
        Diagnostic(
            "operate.no-cron-for-containers",
            "cron starts the programs of this machine, and llm.toml wants containers",
            ("services", "runtime"),
            hint='`llmgen install` without `--cron`; or `runtime = "native"` in [services]',
        )
    )


def without_program(site: Site) -> Iterator[Diagnostic]:
    """What cron would tell to nobody: that the llmgen of [paths] is not there."""
    program = str(site.layout.llmgen)
    if not site.is_staged and shutil.which(program) is None:
        found = shutil.which("llmgen") or "/path/of/llmgen"
        yield _warning(
            "operate.no-program",
            f"cron starts `{program}`, and it is not there",
            f'`llmgen = "{found}"` in [paths]',
        )


def missing_programs(site: Site, plan: Plan) -> Iterator[Diagnostic]:
    """Programs that the services and the engine start and that are not there."""
    if site.is_staged:
        return
    if site.runtime != "native":
        yield from _missing_runtime(site)
        return
    keys = {str(getattr(site.layout, key)): key for key in PROGRAMS}
    started = [
        *((item.name, words) for item in services(plan) for words in (item.argv, *item.before)),
        *((item.name, item.argv) for item in demand(plan)),
    ]
    users: dict[str, list[str]] = {}
    for name, words in started:
        if words and shutil.which(words[0]) is None:
            users.setdefault(words[0], []).append(name)
    for program, names in users.items():
        who = ", ".join(f"`{name}`" for name in dict.fromkeys(names))
        found = shutil.which(Path(program).name)
        key = keys.get(program)
        hint = f"put it there, or say where it is: `{key} = …` in [paths]" if key else "install it"
        if key and found:
            hint = f'`{key} = "{found}"` in [paths]'
        yield Diagnostic(
            "operate.no-program",
            f"there is no program `{program}`, or it may not be run, and {who} "
            f"{'needs' if len(names) == 1 else 'need'} it",
            ("paths", key) if key else (),
            hint=hint,
        )


def _missing_runtime(site: Site) -> Iterator[Diagnostic]:
    """The program that runs the containers; everything else is in their images."""
    program = "podman" if site.runtime == "quadlet" else site.program
    if shutil.which(program) is None:
        yield Diagnostic(
            "operate.no-program",
            f"there is no program `{program}`, and it runs the containers",
            ("services", "runtime"),
            hint=f'install {program}, or `runtime = "native"` in [services]',
        )


def _linger() -> Iterator[Diagnostic]:
    user = getpass.getuser()
    asked = run(("loginctl", "show-user", user, "--property=Linger", "--value"), seconds=10)
    if asked.ok and asked.output.strip() == "yes":
        return
    if Path("/var/lib/systemd/linger", user).exists():
        return
    yield _warning(
        "operate.no-linger",
        f"user units stop when `{user}` logs out, and do not start at boot",
        f"`loginctl enable-linger {user}`",
    )


def _memlock(units: list[Unit]) -> Iterator[Diagnostic]:
    locking = [unit.name for unit in units if "mlock" in unit.text]
    _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if not locking or hard == resource.RLIM_INFINITY:
        return
    yield _warning(
        "operate.memlock",
        f"`{locking[0]}` locks its memory, and this user may lock {hard // 1024} KiB",
        "as root: `systemctl edit user@.service`, and write `LimitMEMLOCK=infinity` in [Service]",
    )


def _devices(root: Path) -> Iterator[Diagnostic]:
    for pattern in _DEVICES:
        for path in sorted(root.glob(pattern)):
            if os.access(path, os.R_OK | os.W_OK):
                continue
            group = _group(path.stat().st_gid)
            yield _warning(
                "operate.device-closed",
                f"`{path}` cannot be opened by this user; it belongs to the group `{group}`",
                f"`sudo usermod -aG {group} {getpass.getuser()}`, then log in again",
            )


def _accounts(services: Services, chosen: Sequence[Unit]) -> Iterator[Diagnostic]:
    known = {item.gr_name for item in grp.getgrall()}
    for name in dict.fromkeys(_users(chosen)):
        try:
            pwd.getpwnam(name)
        except KeyError:
            yield _no_user(name, services, known)
    if services.operators is not None and services.operators not in known:
        yield _warning(
            "operate.no-group",
            f"there is no group `{services.operators}`, whose members may operate the services",
            f"`sudo groupadd --system {services.operators}`, or set `operators` in [services]",
        )
    for name in services.groups:
        if name not in known:
            yield _warning(
                "operate.no-group",
                f"there is no group `{name}`, and the units ask for it",
                f"`sudo groupadd --system {name}`, or set `groups` in [services]",
            )


def _users(chosen: Iterable[Unit]) -> Iterator[str]:
    for unit in chosen:
        yield from (
            line.removeprefix("User=") for line in unit.text.splitlines() if line[:5] == "User="
        )


def _no_user(name: str, services: Services, known: Collection[str]) -> Diagnostic:
    """Users of their own share a group, which the first of them brings."""
    how = f"sudo useradd --system --user-group {name}"
    if services.users == "each":
        group = services.group or services.user
        makes = "" if group in known else f"sudo groupadd --system {group}; "
        how = f"{makes}sudo useradd --system --no-user-group --gid {group} {name}"
    return _warning(
        "operate.no-user",
        f"there is no user `{name}` for the services",
        f"`{how}`, or set `user` in [services]",
    )


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _warning(code: str, message: str, hint: str) -> Diagnostic:
    return Diagnostic(code, message, hint=hint, severity=Severity.WARNING)

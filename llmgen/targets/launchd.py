"""launchd property lists: an agent (user) or a daemon (system) for each enabled service."""

from __future__ import annotations

import plistlib
import shlex
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, Final

from llmgen.artifacts import Artifact, Render
from llmgen.library import Library
from llmgen.plan.plan import Plan
from llmgen.render.header import OWNER, comment
from llmgen.targets import accounts
from llmgen.targets.launch import launch
from llmgen.targets.services import Service, guard, services

NAME = "launchd"
SUMMARY = "property lists for servers, engine and gateways on macOS"

# launchd starts jobs with /usr/bin:/bin:/usr/sbin:/sbin alone; Homebrew's folders come first.
PATH: Final = "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_RESTART_SECONDS: Final = 10


def in_use(plan: Plan) -> bool:
    """Whether the machine has launchd."""
    native = plan.library.config.services.runtime == "native"
    return native and plan.library.machine.os == "macos"


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """One property list for each enabled service, and one for the timer of [guard]."""
    del render  # plistlib knows the format better than a template.
    library = plan.library
    found = services(plan)
    for service in found:
        yield _artifact(library, service.name, {**_job(service, library), **_kept_alive(service)})
    if found and library.config.guard.enable:
        yield _artifact(library, "guard", _guard(library))


def label(name: str) -> str:
    """What launchd calls a service."""
    return f"llmgen.{name}"


def _artifact(library: Library, name: str, job: dict[str, Any]) -> Artifact:
    file, is_macos = f"{label(name)}.plist", library.machine.os == "macos"
    return Artifact(
        path=PurePosixPath(NAME, library.layout.scope, file),
        content=document({"Label": label(name), **job}),
        target=NAME,
        install=library.layout.agents / file if is_macos else None,
    )


def document(job: dict[str, Any]) -> bytes:
    """A property list with the ownership comment below its first line."""
    first, rest = plistlib.dumps(job, sort_keys=False).split(b"\n", 1)
    return b"\n".join((first, comment(OWNER, "<!--").encode(), rest))


def _job(service: Service, library: Library) -> dict[str, Any]:
    logs = library.layout.state / "logs"
    table = library.config.services
    account = {"UserName": accounts.user(table, service.name)}
    if (group := accounts.group(table)) is not None:
        account["GroupName"] = group
    return {
        **(account if library.layout.scope == "system" else {}),
        "ProgramArguments": [*_command(service, library)],
        "EnvironmentVariables": {"PATH": PATH, **dict(service.environment)},
        "WorkingDirectory": "/",
        "StandardOutPath": str(logs / f"{service.name}.log"),
        "StandardErrorPath": str(logs / f"{service.name}.log"),
        "Umask": 0o077,
        "ProcessType": "Interactive",
        "ExitTimeOut": service.stop_seconds,
    }


def _kept_alive(service: Service) -> dict[str, Any]:
    locked = {"MemoryLock": 2**63 - 1} if service.locks_memory else {}
    return {
        "RunAtLoad": True,
        "KeepAlive": service.restarts == "always" or {"SuccessfulExit": False},
        "ThrottleInterval": _RESTART_SECONDS,
        **({"SoftResourceLimits": locked} if locked else {}),
    }


def _command(service: Service, library: Library) -> Iterator[str]:
    """The command; what must run before goes into one shell, since launchd has no other place."""
    words = launch(service, library.layout, credentials=False)
    keepers = (*(item for _, item in service.secrets), *service.read_before)
    steps = []
    if any(item.env for item in keepers):
        file = shlex.quote(str(library.layout.config / "secrets.env"))
        steps.append(f"if [ -r {file} ]; then set -a; . {file}; set +a; fi")
    steps += [shlex.join(item) for item in service.before]
    if service.made_file is not None:
        steps.append(f"set -a; . {shlex.quote(str(service.made_file))}; set +a")
    if steps:
        yield from ("/bin/sh", "-euc", "; ".join([*steps, 'exec "$@"']), service.name)
    yield from words


def _guard(library: Library) -> dict[str, Any]:
    layout = library.layout
    return {
        "ProgramArguments": [*guard(layout)],
        "StartInterval": library.config.guard.interval,
        "StandardErrorPath": str(layout.state / "logs" / "guard.log"),
    }

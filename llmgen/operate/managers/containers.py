"""What docker or podman tell of a stack's containers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from llmgen.errors import Diagnostic, InputError
from llmgen.operate.installation.steps import Words
from llmgen.operate.programs import ProgramResult, run
from llmgen.operate.status.observations import UnitState
from llmgen.targets.containers.container import WITH_MACHINE

# What makes units of quadlets, in the folders of systemd.generator(7).
GENERATOR: Final = "podman-system-generator"
GENERATORS: Final = tuple(
    f"{top}/systemd/system-generators"
    for top in ("/run", "/etc", "/usr/local/lib", "/usr/lib", "/lib")
)
# The label of a container that a unit starts, and so its target: podman's generator sets it.
_OF_UNIT: Final = "PODMAN_SYSTEMD_UNIT"
# The states of a health check in the words of a server's own page (docker and podman).
_HEALTH: Final = {"healthy": "ok", "starting": "loading", "unhealthy": "unhealthy"}


def states(program: str, names: Iterable[str]) -> dict[str, UnitState]:
    """The state of each container that is there; InputError where the program cannot tell."""
    wanted = {*names}
    listed = run((program, "ps", "--all", "--format", "{{.Names}}"), seconds=60)
    if not listed.ok:
        raise InputError(silent(program, listed))
    there = sorted(wanted.intersection(listed.output.split()))
    if not there:
        return {}
    asked = run((program, "inspect", "--type=container", *there), seconds=60)
    rows = _rows(asked.output)
    return {str(row.get("Name", "")).lstrip("/"): _state(row) for row in rows}


def not_ready(steps: Iterable[Words], *, quadlets: bool) -> Diagnostic | None:
    """What would keep these commands from starting containers; None when nothing would."""
    for program in dict.fromkeys(words[0] for words in steps if words[1:2] == ("compose",)):
        asked = run((program, "info"), seconds=60)
        if not asked.ok:
            return silent(program, asked)
    if quadlets and not any(Path(folder, GENERATOR).exists() for folder in GENERATORS):
        return Diagnostic(
            "operate.no-generator",
            "podman's generator of units is not there, so that systemd would not know them",
            hint='podman 4.4 or newer brings it; or `runtime = "compose"` in [services]',
        )
    return None


def silent(program: str, done: ProgramResult) -> Diagnostic:
    """What is said when a program does not tell what it runs."""
    said = [line for line in done.errors.splitlines() if line.strip()]
    return Diagnostic(
        "operate.no-runtime",
        f"`{program}` does not tell which containers it runs",
        notes=tuple(said[-2:]),
        hint=f"install {program}, start its service, or let this user talk to it; `llmgen doctor` "
        "looks at it",
    )


def _rows(text: str) -> Sequence[Mapping[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _state(row: Mapping[str, Any]) -> UnitState:
    state, policy = _part(row, "State"), _part(_part(row, "HostConfig"), "RestartPolicy")
    labels = _part(_part(row, "Config"), "Labels")
    # podman before 5 calls it otherwise.
    checked = _part(state, "Health") or _part(state, "Healthcheck")
    running = state.get("Status") == "running"
    code = state.get("ExitCode")
    ended = "out of memory" if state.get("OOMKilled") else f"exit code {code}" if code else ""
    return UnitState(
        is_loaded=True,
        is_active=running,
        state="active" if running else str(state.get("Status", "unknown")),
        result="" if running else ended,
        restarts=_number(row.get("RestartCount")),
        pid=_number(state.get("Pid")),
        is_enabled=policy.get("Name") in WITH_MACHINE.values() or _OF_UNIT in labels,
        health=_HEALTH.get(str(checked.get("Status", "")), ""),
    )


def _part(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = row.get(key)
    return found if isinstance(found, dict) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0

"""Wanted, written, running: what differs, as findings; pure, from what was collected before."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from llmgen.apply.changes import Action, Change
from llmgen.errors import Diagnostic, Severity
from llmgen.operate.commands import as_wanted, same_command
from llmgen.operate.observed import Answer, Observed, Process, UnitState
from llmgen.operate.swap import Loaded
from llmgen.plan.model import Keep, Placement, Plan
from llmgen.targets.services import PROCESS_SLACK, Service
from llmgen.units import show_size


class Expected(Struct, frozen=True):
    """One service of the plan: its unit, the port it serves, and where it tells its health.

    Cron's stack has no units: ``unit`` is empty then.
    """

    service: Service
    unit: str
    port: int
    url: str
    health: str = "/health"


class ServiceStatus(Struct, frozen=True):
    """One service as a person wants to see it."""

    name: str
    unit: str
    state: str
    health: str
    port: int
    pid: int
    restarts: int
    memory: int
    memory_max: int
    command_is_wanted: bool | None


class ModelStatus(Struct, frozen=True):
    """One model: where it is in its life, its context and slots, its memory against the plan."""

    name: str
    keep: str
    state: str
    context: int
    slots: int
    busy: int
    memory: int
    memory_planned: int
    command_is_wanted: bool | None


def services(expected: Iterable[Expected], seen: Observed) -> Iterator[ServiceStatus]:
    """The rows of the services."""
    for item in expected:
        unit, own = seen.units.get(item.unit), owner(item, seen)
        pid = unit.pid if unit and unit.pid else own.pid if own else 0
        process = seen.processes.get(pid) or own
        yield ServiceStatus(
            name=item.service.name,
            unit=item.unit,
            state=_state(unit, own, seen),
            health=seen.answers.get(item.service.name, Answer("unknown")).health,
            port=item.port,
            pid=pid,
            restarts=unit.restarts if unit else 0,
            memory=(unit.memory_bytes if unit else 0) or (process.memory_bytes if process else 0),
            memory_max=item.service.memory_bytes,
            command_is_wanted=as_wanted(item.service, process),
        )


def models(plan: Plan, seen: Observed) -> Iterator[ModelStatus]:
    """The rows of the models."""
    loaded = {item.model: item for item in seen.loaded or ()}
    for placement in plan.placements:
        yield (
            _always(placement, seen)
            if placement.keep is Keep.ALWAYS
            else _demand(placement, loaded.get(placement.name), seen)
        )


def owner(item: Expected, seen: Observed) -> Process | None:
    """The process that has the service's port, when it is the service's own."""
    found, unit = seen.listeners.get(item.port), seen.units.get(item.unit)
    if found is None:
        return None
    if unit and unit.pid:
        return found if unit.pid in (found.pid, *found.parents) else None
    is_own = seen.no_manager is not None and _is_program(item.service, found)
    return found if is_own or found.foreground == item.service.name else None


def _is_program(service: Service, process: Process) -> bool:
    """Whether the process runs the service's program, itself or by its interpreter."""
    name = PurePosixPath(service.argv[0]).name
    return name in (PurePosixPath(word).name for word in process.words[:2])


def findings(
    plan: Plan,
    expected: Sequence[Expected],
    decided: Iterable[Change],
    known: Collection[PurePosixPath],
    seen: Observed,
) -> Iterator[Diagnostic]:
    """Everything that is not as the plan wants it."""
    drift = [*_drift(decided, known)]
    if known:
        yield from drift
    if seen.no_manager is not None:
        unknown = any(row.state == UNKNOWN for row in services(expected, seen))
        severity = Severity.ERROR if unknown else Severity.WARNING
        yield replace(seen.no_manager, notes=(_NOT_KNOWN,), severity=severity)
    for item in expected:
        yield from _service(item, seen, is_installed=bool(known))
    yield from _commands(plan, expected, seen)
    yield from _memory(plan, seen)


def _drift(decided: Iterable[Change], known: Collection[PurePosixPath]) -> Iterator[Diagnostic]:
    for item in decided:
        path = f"/{item.path}"
        match item.action:
            case Action.CONFLICT:
                yield _found(
                    "edited-file",
                    f"`{path}` {item.reason}",
                    "`llmgen install --dry-run` lists the ways out",
                )
            case Action.CREATE if item.path in known:
                yield _found("missing-file", f"`{path}` was installed and is gone", _INSTALL)
            case Action.CREATE:
                yield _found("stale-file", f"`{path}` is not installed yet", _INSTALL)
            case Action.UPDATE:
                yield _found("stale-file", f"`{path}` is older than llm.toml", _INSTALL)
            case Action.DELETE:
                yield _found("stale-file", f"`{path}` is no longer wanted", _INSTALL)
            case _:
                continue


def _service(item: Expected, seen: Observed, *, is_installed: bool) -> Iterator[Diagnostic]:
    unit, listener = seen.units.get(item.unit), seen.listeners.get(item.port)
    own = owner(item, seen)
    if item.port in seen.listeners and own is None and not _is_hidden(item, seen):
        yield _foreign(item, listener)
    if not is_installed or not item.unit or seen.no_manager is not None:
        if own is not None:
            yield from _health(item, seen)
        elif is_installed and not item.unit:
            yield _found("down", f"`{item.service.name}` does not run", _BY_CRON)
        return
    if unit is None or not unit.is_loaded:
        yield _found("unit-absent", f"`{item.unit}` is not known to the service manager", _INSTALL)
        return
    if unit.is_outdated:
        yield _found(
            "unit-outdated",
            f"`{item.unit}` changed on disk since the service manager read it",
            "`llmgen install`, or `systemctl daemon-reload` and `llmgen restart`",
        )
    if not unit.is_active:
        result = f" ({unit.result})" if unit.result not in ("", "success") else ""
        yield _found(
            "unit-down",
            f"`{item.unit}` is {unit.state}{result}",
            f"`llmgen up`; `llmgen logs {item.service.name}` says why it stopped",
        )
        return
    if unit.restarts:
        yield _found(
            "restarted",
            f"`{item.unit}` was restarted {unit.restarts} times after a failure",
            f"`llmgen logs {item.service.name}`",
            Severity.WARNING,
        )
    yield from _health(item, seen)


def _health(item: Expected, seen: Observed) -> Iterator[Diagnostic]:
    health = seen.answers.get(item.service.name, Answer("unknown")).health
    if health == "loading":
        yield _found("loading", f"`{item.service.name}` is still loading", "", Severity.NOTE)
    elif health not in ("ok", "unknown"):
        yield _found(
            "dead-backend",
            f"`{item.service.name}` runs, but its port {item.port} gives {health}",
            f"`llmgen logs {item.service.name}`, `llmgen restart {item.service.name}`",
        )


def _foreign(item: Expected, listener: Process | None) -> Diagnostic:
    who = (
        f"`{listener.name}` (process {listener.pid}, user {listener.user or 'unknown'})"
        if listener
        else "a process of another user"
    )
    return _found(
        "foreign-port",
        f"port {item.port} of `{item.service.name}` is taken by {who}",
        "end that program, or give the service another port in llm.toml",
    )


def _is_hidden(item: Expected, seen: Observed) -> bool:
    """An active unit of another user hides its processes; nothing says that it is not its port."""
    unit = seen.units.get(item.unit)
    may_run = seen.no_manager is not None or (unit is not None and unit.is_active)
    return seen.listeners.get(item.port) is None and may_run


def _commands(plan: Plan, expected: Sequence[Expected], seen: Observed) -> Iterator[Diagnostic]:
    for row in services(expected, seen):
        if row.command_is_wanted is False and row.pid:
            yield _found(
                "other-command",
                f"`{row.name}` (process {row.pid}) runs with other options than the plan's",
                f"`llmgen restart {row.name}`",
            )
    for model in models(plan, seen):
        if model.command_is_wanted is False and model.keep == Keep.ON_DEMAND.value:
            yield _found(
                "other-command",
                f"`{model.name}` is loaded with other options than the plan's",
                f"`llmgen unload {model.name}`; when it comes back the same, `llmgen install`",
            )


def _memory(plan: Plan, seen: Observed) -> Iterator[Diagnostic]:
    for model in models(plan, seen):
        if model.memory > model.memory_planned + PROCESS_SLACK:
            yield _found(
                "over-plan",
                f"`{model.name}` holds {show_size(model.memory)} of host memory, and the plan "
                f"gives it {show_size(model.memory_planned)}",
                "`llmgen show` has the parts; please report it when nothing else explains it",
                Severity.WARNING,
            )


def _state(unit: UnitState | None, own: Process | None, seen: Observed) -> str:
    if unit is not None and unit.is_loaded:
        return unit.state
    if own is not None:
        return "foreground" if own.foreground else "running"
    return "absent" if seen.no_manager is None else UNKNOWN


def _always(placement: Placement, seen: Observed) -> ModelStatus:
    process = seen.listeners.get(placement.port)
    answer = seen.answers.get(placement.name, Answer("no answer"))
    names = {"ok": "ready", "loading": "loading"}
    otherwise = "not running" if seen.no_manager is None else UNKNOWN
    return _row(placement, names.get(answer.health, otherwise), answer, process, None)


def _demand(placement: Placement, found: Loaded | None, seen: Observed) -> ModelStatus:
    if seen.loaded is None:
        return _row(placement, "unknown", Answer(""), None, None)
    if found is None:
        return _row(placement, "unloaded", Answer(""), None, None)
    answer = seen.answers.get(placement.name, Answer(""))
    process = _server(placement, found, seen)
    words = found.words or tuple(shlex.split(found.command))
    return _row(placement, found.state, answer, process, same_command(placement.argv, words))


def _server(placement: Placement, found: Loaded, seen: Observed) -> Process | None:
    port = found.url.rsplit(":", 1)[-1]
    if port.isdigit():
        return seen.listeners.get(int(port))
    path = str(placement.model.path)
    return next((item for item in seen.processes.values() if path in item.words), None)


def _row(
    placement: Placement,
    state: str,
    answer: Answer,
    process: Process | None,
    command_is_wanted: bool | None,
) -> ModelStatus:
    return ModelStatus(
        name=placement.name,
        keep=placement.keep.value,
        state=state,
        context=answer.n_ctx,
        slots=answer.slots,
        busy=answer.busy,
        memory=process.memory_bytes if process else 0,
        memory_planned=placement.estimate.on("host"),
        command_is_wanted=command_is_wanted,
    )


def is_well(found: Iterable[Diagnostic]) -> bool:
    """Whether nothing found is an error."""
    return all(item.severity is not Severity.ERROR for item in found)


UNKNOWN = "unknown"
_INSTALL = "`llmgen install`"
_BY_CRON = "cron starts it within five minutes, `llmgen up --foreground` at once"
_NOT_KNOWN = "whether the installed units run is unknown"


def _found(word: str, message: str, hint: str, severity: Severity = Severity.ERROR) -> Diagnostic:
    return Diagnostic(f"status.{word}", message, hint=hint, severity=severity)

"""Wanted, written, running: what differs, as findings; pure, from what was collected before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from msgspec.structs import replace

from llmgen.apply.changes import Action, Change
from llmgen.errors import Diagnostic, Severity
from llmgen.library import Keep
from llmgen.operate.status.observations import Observed, ServerState
from llmgen.operate.status.port_holder import holder, of_another_install, told
from llmgen.operate.status.rows import UNKNOWN, ExpectedService, models, owner, services
from llmgen.plan.plan import Plan
from llmgen.plan.slack import PROCESS_SLACK
from llmgen.units import show_size

_INSTALL = "`llmgen install`"
_BY_CRON = "cron starts it within five minutes unless `llmgen down` ended it, `llmgen up` at once"
_NOT_KNOWN = "whether the installed units run is unknown"


def findings(
    plan: Plan,
    expected: Sequence[ExpectedService],
    decided: Iterable[Change],
    known: Collection[PurePosixPath],
    seen: Observed,
) -> Iterator[Diagnostic]:
    """Everything that is not as the plan wants it."""
    if seen.another is not None:
        yield of_another_install(seen.another)
    drift = [*_drift(decided, known)]
    if known:
        yield from drift
    if seen.no_manager is not None:
        unknown = any(row.state == UNKNOWN for row in services(expected, seen))
        severity = Severity.ERROR if unknown else Severity.WARNING
        yield replace(seen.no_manager, notes=(_NOT_KNOWN,), severity=severity)
    for item in expected:
        yield from _service(item, seen, is_installed=bool(known))
    yield from _commands(plan, expected, seen, is_stale=bool(drift))
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


def _service(item: ExpectedService, seen: Observed, *, is_installed: bool) -> Iterator[Diagnostic]:
    unit, own = seen.units.get(item.unit), owner(item, seen)
    held = holder(item.at, seen)
    if not held.may_be_asked:
        yield told(item.at, held)
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
    if not unit.is_enabled:
        yield _found(
            "not-enabled",
            f"`{item.unit}` runs, and does not start with the machine",
            f"`llmgen enable {item.service.name}`",
            Severity.WARNING,
        )
    if unit.restarts:
        yield _found(
            "restarted",
            f"`{item.unit}` was restarted {unit.restarts} times after a failure",
            f"`llmgen logs {item.service.name}`",
            Severity.WARNING,
        )
    yield from _health(item, seen)


def _health(item: ExpectedService, seen: Observed) -> Iterator[Diagnostic]:
    health = seen.answers.get(item.service.name, ServerState("unknown")).health
    if health == "loading":
        yield _found("loading", f"`{item.service.name}` is still loading", "", Severity.NOTE)
    elif health not in ("ok", "unknown"):
        yield _found(
            "dead-backend",
            f"`{item.service.name}` runs, but its port {item.port} gives {health}",
            f"`llmgen logs {item.service.name}`, `llmgen restart {item.service.name}`",
        )


def _commands(
    plan: Plan, expected: Sequence[ExpectedService], seen: Observed, *, is_stale: bool
) -> Iterator[Diagnostic]:
    # A restart would take the old files once more.
    for row in services(expected, seen):
        if row.command_is_wanted is False and row.pid:
            yield _found(
                "other-command",
                f"`{row.name}` (process {row.pid}) runs with other options than the plan's",
                _INSTALL if is_stale else f"`llmgen restart {row.name}`",
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


def is_well(found: Iterable[Diagnostic]) -> bool:
    """Whether nothing found is an error."""
    return all(item.severity is not Severity.ERROR for item in found)


def _found(word: str, message: str, hint: str, severity: Severity = Severity.ERROR) -> Diagnostic:
    return Diagnostic(f"status.{word}", message, hint=hint, severity=severity)

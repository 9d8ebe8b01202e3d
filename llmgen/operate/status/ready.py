"""Wait until services that were started answer, or until it is clear that one will not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from llmgen.config.names import service_name
from llmgen.errors import Diagnostic, Severity
from llmgen.operate.status.observations import Observed, ServerState, UnitState
from llmgen.operate.status.port_holder import holder, told
from llmgen.operate.status.rows import ExpectedService
from llmgen.plan.plan import Plan
from llmgen.targets.containers.health import of_service
from llmgen.targets.llama_swap import load_seconds

POLL_SECONDS: Final = 1.0
# Between two states, in the words of systemd, docker, podman and launchd.
_MOVING = (
    "activating", "deactivating", "reloading", "created", "configured", "initialized", "starting",
    "stopping", "spawning", "xpcproxy",
)  # fmt: skip
# Ended, and about to be started again by who keeps it up.
_AGAIN = ("auto-restart", "restarting", "spawn scheduled")
_OOM = ("oom-kill", "out of memory")


class Lack(Struct, frozen=True):
    """A service that does not answer, and why; ``is_over``: waiting longer would not help."""

    service: str
    why: str
    is_over: bool = False


class Clock(Struct, frozen=True):
    """Seconds since some moment, and a pause of some."""

    now: Callable[[], float]
    pause: Callable[[float], None]


def ready_seconds(plan: Plan, wanted: Sequence[ExpectedService]) -> int:
    """How long services may take to answer.

    Models are read from one disk, so each adds what a check of it allows for its load; the slowest
    of the others comes on top, since it may wait for them.
    """
    models = {service_name(item.name): item for item in plan.placements}
    names = [item.service.name for item in wanted]
    loads = [load_seconds(plan.library, [models[name]]) for name in names if name in models]
    others = [item.service for item in wanted if item.service.name not in models]
    slowest = max((of_service(item, plan).start_seconds for item in others), default=0)
    return sum(loads) + slowest


def until_ready(
    look: Callable[[], Observed],
    wanted: Sequence[ExpectedService],
    seconds: float,
    tell: Callable[[Sequence[Lack]], None],
    *,
    clock: Clock,
    alive: Callable[[], bool] = lambda: True,
) -> list[Lack]:
    """Look each second; what does not answer after ``seconds``, or when one of it never will.

    ``alive`` says whether what keeps up services without units still runs. One look may fall
    between a start and its process, so only what two in a row agree on is over.
    """
    end = clock.now() + seconds
    first: Mapping[str, int] | None = None
    over: set[str] = set()
    while True:
        is_alive, seen = alive(), look()
        first = first or {name: unit.restarts for name, unit in seen.units.items()}
        found = [*_lacking(wanted, seen, first)]
        if not is_alive:
            found = [replace(item, why="the stack ended", is_over=True) for item in found]
        now_over = {item.service for item in found if item.is_over}
        if not found or now_over & over or clock.now() >= end:
            return found
        over = now_over
        tell(found)
        clock.pause(POLL_SECONDS)


def not_ready(lacks: Sequence[Lack], seconds: float, *, by_cron: bool) -> Iterator[Diagnostic]:
    """What is said of them; who may still come is only noted where another one ended the wait."""
    ended = any(item.is_over for item in lacks)
    for item in lacks:
        late = "" if ended else f" after {seconds:.0f} s"
        yield Diagnostic(
            "operate.not-ready",
            f"`{item.service}` does not answer{late}: {item.why}",
            hint=f"`llmgen logs{'' if by_cron else f' {item.service}'}` shows what it said",
            severity=Severity.NOTE if ended and not item.is_over else Severity.ERROR,
        )


def _lacking(
    wanted: Sequence[ExpectedService], seen: Observed, first: Mapping[str, int]
) -> Iterator[Lack]:
    for item in wanted:
        name, unit, held = item.service.name, seen.units.get(item.unit), holder(item.at, seen)
        health = seen.answers.get(name, ServerState("no answer")).health
        if not held.may_be_asked:
            yield Lack(name, told(item.at, held).message, is_over=True)
        elif unit is None and item.unit and seen.no_manager is None:
            yield Lack(name, f"`{item.unit}` is not installed", is_over=True)
        elif unit is not None and not (unit.is_active and health == "ok"):
            yield _of_unit(name, unit, health, unit.restarts - first.get(item.unit, 0))
        elif health != "ok":
            yield Lack(name, _said(health))


def _of_unit(name: str, unit: UnitState, health: str, restarts: int) -> Lack:
    if not unit.is_loaded:
        return Lack(name, "it is not installed, or was removed", is_over=True)
    if unit.is_active:
        # One crash may be the last: a service that came back is as good as one that never fell.
        again = f"it was started again {restarts} times, " if restarts else ""
        return Lack(name, again + _said(health), is_over=restarts > 1)
    if any(word in unit.state for word in _AGAIN):
        again = " again and again" if restarts else ", and is started again"
        return Lack(name, _ended(unit) + again, is_over=restarts > 0)
    if unit.state.startswith(_MOVING):
        return Lack(name, "it is still starting")
    return Lack(name, _ended(unit), is_over=True)


def _ended(unit: UnitState) -> str:
    result = unit.result
    code = result.removeprefix("exit code ")
    if result in _OOM:
        return "it ran out of memory"
    if result == "signal":
        return f"it was ended by signal {unit.exit_code}"
    if result == "exit-code":
        return f"it exited with code {unit.exit_code}"
    if code.isdigit():
        return f"it exited with code {code}"
    return f"it is {unit.state}" + (f" ({result})" if result not in ("", "success") else "")


def _said(health: str) -> str:
    return "it is still loading" if health == "loading" else f"it runs, and gives {health}"

"""Who has a port of the stack: the stack itself, another llm.toml's, or a stranger."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import PurePosixPath

from msgspec import Struct

from llmgen.errors import Diagnostic
from llmgen.operate.stack_owner import StackOwner, shown_path
from llmgen.operate.status.observations import Observed, Process

OTHER_STACK = "operate.other-stack"


class Whose(StrEnum):
    """Whose a port is, as far as this user can see."""

    FREE = "free"
    OURS = "ours"
    HIDDEN = "hidden"
    ANOTHER = "another"
    STRANGER = "stranger"


class ServicePort(Struct, frozen=True):
    """A service with the port that it listens on; ``unit`` is empty where nothing has units.

    ``argv`` may be empty where the plan was not made. ``proxied`` is what listens for a container:
    the runtime's own program, which is nobody's child here.
    """

    name: str
    unit: str
    port: int
    argv: tuple[str, ...] = ()
    proxied: bool = False


class PortHolder(Struct, frozen=True):
    """Whose a port is, by which process, and of which stack when that is another one."""

    whose: Whose
    process: Process | None = None
    owner: StackOwner | None = None

    @property
    def may_be_asked(self) -> bool:
        """Whether what answers there is this stack's, as far as this user can see."""
        return self.whose in (Whose.FREE, Whose.OURS, Whose.HIDDEN)


def holder(at: ServicePort, seen: Observed) -> PortHolder:
    """Who has the port of a service."""
    if at.port not in seen.listeners:
        return PortHolder(Whose.FREE)
    process = seen.listeners[at.port]
    if process is None:
        return PortHolder(Whose.HIDDEN if _may_be_hidden(at, seen) else Whose.STRANGER)
    if process.foreground:
        # What another user's program says of itself is not believed: keys are sent there.
        is_this = process.stack == seen.stack and process.user == seen.user
        is_own = process.foreground == at.name and is_this
        other = None if is_this else StackOwner(process.stack)
        return _told(process, other, is_own=is_own)
    if _is_of_unit(at, process, seen):
        return _told(process, seen.another, is_own=seen.another is None)
    if process.owner is not None and process.owner.files != seen.stack:
        return _told(process, process.owner, is_own=False)
    if process.owner is not None and process.unit == at.unit:
        return _told(process, None, is_own=True)
    is_own = seen.another is None and (_reads_ours(process, at, seen) or _may_be(process, at, seen))
    return _told(process, None, is_own=is_own)


def _told(process: Process, owner: StackOwner | None, *, is_own: bool) -> PortHolder:
    whose = Whose.OURS if is_own else Whose.STRANGER if owner is None else Whose.ANOTHER
    return PortHolder(whose, process, None if is_own else owner)


def _is_of_unit(at: ServicePort, process: Process, seen: Observed) -> bool:
    unit = seen.units.get(at.unit)
    if at.proxied and unit is not None:
        return unit.is_active
    return bool(unit and unit.pid) and unit is not None and unit.pid in process.lineage


def _may_be_hidden(at: ServicePort, seen: Observed) -> bool:
    """An active unit of another user hides its processes; nothing says that it is not its port."""
    unit = seen.units.get(at.unit)
    is_active = unit is not None and unit.is_active
    return seen.another is None and (seen.no_manager is not None or is_active)


def _reads_ours(process: Process, at: ServicePort, seen: Observed) -> bool:
    """Whether a program that was started by hand reads what was generated for this stack."""
    if at.argv and process.words[-len(at.argv) :] == at.argv:
        return not any(unit.pid for name, unit in seen.units.items() if name == at.unit)
    if not seen.generated:
        return False
    paths = (PurePosixPath(process.folder, word) for word in process.words)
    return any(path.is_relative_to(seen.generated) for path in paths)


def _may_be(process: Process, at: ServicePort, seen: Observed) -> bool:
    """Where nobody answers who knows the units, the service's program counts as it.

    It may have an interpreter in front of it.
    """
    if seen.no_manager is None or not at.argv:
        return False
    name = PurePosixPath(at.argv[0]).name
    return name in (PurePosixPath(word).name for word in process.words[:2])


def told(at: ServicePort, found: PortHolder) -> Diagnostic:
    """What is said of a port that is not this stack's."""
    if found.owner is not None:
        return _of_another(f"port {at.port} is held by", found.owner, found.process)
    listener = found.process
    who = (
        f"`{listener.name}` (process {listener.pid}, user {listener.user or 'unknown'})"
        if listener
        else "a process of another user"
    )
    return Diagnostic(
        "status.foreign-port",
        f"port {at.port} of `{at.name}` is taken by {who}",
        hint="end that program, or give the service another port in llm.toml",
    )


def of_another_install(owner: StackOwner) -> Diagnostic:
    """What is said where the installed stack is another llm.toml's."""
    return _of_another("what is installed is", owner, None)


def _of_another(where: str, owner: StackOwner, process: Process | None) -> Diagnostic:
    named = [shown_path(path) for path in owner.files]
    of = f"the stack of {' and '.join(named)}" if named else "another stack of llmgen"
    about = [f"user {process.user}"] if process and process.user else []
    if owner.generation:
        about.append(f"generation {owner.generation}")
    elif process and process.foreground:
        about.append("in the foreground")
    words = "".join(f" -c {name}" for name in named)
    ways = [f"`llmgen{words} status` is about that one"] if owner.is_there else []
    if owner.generation:
        ways.append("`llmgen install` puts this llm.toml's in its place")
    elif process:
        ways.append(f"end it there (process {process.parents[0] if process.parents else 0})")
    return Diagnostic(
        OTHER_STACK,
        f"{where} {of}" + (f" ({', '.join(about)})" if about else ""),
        hint="; ".join(ways),
    )


def refusals(ports: Iterable[ServicePort], seen: Observed) -> list[Diagnostic]:
    """What keeps this stack's commands from asking these ports."""
    held = [(at, holder(at, seen)) for at in ports]
    found = [told(at, who) for at, who in held if not who.may_be_asked]
    # One stack is named once, not for each of its ports.
    return list({(item.code, item.message): item for item in found}.values())

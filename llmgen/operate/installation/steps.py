"""The steps of an install, in order: what runs before the files change and what after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Protocol, TypeAlias

from msgspec import Struct

from llmgen.operate.installation.units import Impact, Unit

Words: TypeAlias = tuple[str, ...]


class StepKind(StrEnum):
    """What carries a step out."""

    COMMAND = "command"
    DRAIN = "drain"
    FORGET = "forget"
    KEEP_UP = "keep-up"
    LET_GO = "let-go"
    AGAIN = "again"


class Step(Struct, frozen=True):
    """One thing to do, as the words of a command that a person could run as well.

    ``fails`` False: what it undoes may be undone already.
    """

    words: Words
    why: str
    kind: StepKind = StepKind.COMMAND
    privileged: bool = False
    fails: bool = True


class Lines(Struct, frozen=True):
    """Which lines of a log: the last ones, those since a time or since the machine started."""

    lines: int | str = 100
    follow: bool = False
    since: str = ""
    boot: bool = False


class Manager(Protocol):
    """A service manager: each method gives the commands for it, and runs none."""

    @property
    def privileged(self) -> bool: ...

    def refresh(self) -> Iterable[Words]:
        """Read the unit files again."""

    def enable(self, chosen: Sequence[Unit]) -> Iterable[Words]:
        """Start the units with the machine or the user's session."""

    def disable(self, names: Sequence[str]) -> Iterable[Words]:
        """Stop them, and no longer start them."""

    def by_hand(self, chosen: Sequence[Unit]) -> Iterable[Words]:
        """No longer start them with the machine; what runs goes on."""

    def start(self, chosen: Sequence[Unit]) -> Iterable[Words]: ...

    def stop(self, chosen: Sequence[Unit]) -> Iterable[Words]: ...

    def restart(self, chosen: Sequence[Unit], *, rewritten: bool) -> Iterable[Words]:
        """Restart them; ``rewritten`` says that their own files changed."""

    def reload(self, chosen: Sequence[Unit]) -> Iterable[Words]: ...

    def forget(self, names: Sequence[str]) -> Iterable[Words]:
        """Drop what is remembered of units: failures, and how often they were started."""


DRAIN = Step(
    ("llmgen", "unload", "--all"),
    "a reload of llama-swap starts new servers before the old ones have gone",
    StepKind.DRAIN,
)


# A person edits the table; llmgen changes no line of it but its own.
KEEP_UP = Step(("crontab", "-e"), "lines of its own that keep the stack up", StepKind.KEEP_UP)
LET_GO = Step(
    ("crontab", "-e"), "without the lines that keep the stack up; it ends", StepKind.LET_GO
)
AGAIN = Step(("llmgen", "restart"), "cron's stack reads files that changed", StepKind.AGAIN)


def before(found: Impact, manager: Manager, *, drain: bool) -> Iterator[Step]:
    """What must happen while the old files are still there."""
    if drain:
        yield DRAIN
    if found.gone:
        for words in manager.disable(found.gone):
            # Containers that may still be there keep new ones from being started.
            fails = words[1:2] == ("compose",)
            yield Step(words, "no longer wanted", privileged=manager.privileged, fails=fails)


def after(found: Impact, manager: Manager, *, start: bool = True) -> Iterator[Step]:
    """What makes the new files count; only units that changed are restarted."""
    if found.created or found.changed or found.gone:
        yield from _steps(manager, manager.refresh(), "unit files changed")
    if found.gone:
        yield from _forgotten(manager, found.gone, "their files are gone")
    again = [unit.name for unit in (*found.changed, *found.touched) if unit.starts]
    if again:
        # Whoever installs often must not meet the limit that is for crashes.
        yield from _forgotten(manager, again, "their start limits begin anew")
    new = [unit for unit in found.created if unit.starts]
    if new:
        yield from _steps(manager, manager.enable(new), "new")
        if start:
            yield from _steps(manager, manager.start(new), "new")
    rewritten = [unit for unit in found.changed if unit.starts]
    if rewritten:
        yield from _steps(manager, manager.enable(rewritten), "their files changed")
        yield from _steps(
            manager, manager.restart(rewritten, rewritten=True), "their files changed"
        )
    yield from _touched(found, manager)


def once(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps without repetitions: two keepers may be the same systemd."""
    yield from {step.words: step for step in steps}.values()


def _touched(found: Impact, manager: Manager) -> Iterator[Step]:
    touched = [unit for unit in found.touched if unit.starts]
    restarted = [unit for unit in touched if not unit.reloads]
    reloaded = [unit for unit in touched if unit.reloads]
    why = "a file that they read changed"
    if restarted:
        yield from _steps(manager, manager.restart(restarted, rewritten=False), why)
    if reloaded:
        yield from _steps(manager, manager.reload(reloaded), why)


def _forgotten(manager: Manager, names: Sequence[str], why: str) -> Iterator[Step]:
    for words in manager.forget(names):
        yield Step(words, why, privileged=manager.privileged, fails=False)


def _steps(manager: Manager, commands: Iterable[Words], why: str) -> Iterator[Step]:
    for words in commands:
        # Whoever booted an agent out by hand did no more than this would.
        fails = words[:2] != ("launchctl", "bootout")
        yield Step(words, why, privileged=manager.privileged, fails=fails)

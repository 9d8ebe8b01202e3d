"""systemctl's words for each verb, and what `systemctl show` answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from llmgen.errors import Diagnostic
from llmgen.layout import Scope
from llmgen.operate.installation.steps import Lines, Words
from llmgen.operate.installation.units import Unit

PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "UnitFileState",
    "NeedDaemonReload",
    "NRestarts",
    "MainPID",
    "ControlGroup",
    "MemoryCurrent",
    "ExecMainStatus",
)
# What systemctl says where nobody is behind it: a container, WSL without it, no login.
_NO_MANAGER = (
    "Failed to connect to bus",
    "Failed to connect to user scope bus",
    "Failed to connect to system scope bus",
    "has not been booted with systemd",
    "`systemctl` is not installed",
)


class Systemd(Struct, frozen=True):
    """A systemd manager: the system's, or the one of a user."""

    scope: Scope

    @property
    def privileged(self) -> bool:
        """Whether its changes need root."""
        return self.scope == "system"

    def systemctl(self, *words: str) -> Words:
        """The words of a systemctl command for this manager."""
        return ("systemctl", *(("--user",) if self.scope == "user" else ()), *words)

    def refresh(self) -> Iterator[Words]:
        """Read the unit files again."""
        yield self.systemctl("daemon-reload")

    def enable(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Start the units with the machine, or with the user's manager."""
        yield self.systemctl("enable", *_names(chosen))

    def disable(self, names: Sequence[str]) -> Iterator[Words]:
        """Stop the units and no longer start them; timers first, or they start what is stopped."""
        timers = [name for name in names if name.endswith(".timer")]
        others = [name for name in names if name not in timers]
        for chosen in filter(None, (timers, others)):
            yield self.systemctl("disable", "--now", *chosen)

    def by_hand(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """No longer start the units with the machine; those that run go on."""
        yield self.systemctl("disable", *_names(chosen))

    def start(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Start in one transaction, so that the units' own order counts."""
        yield self.systemctl("start", *_names(chosen))

    def stop(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Stop in one transaction."""
        yield self.systemctl("stop", *_names(chosen))

    def restart(self, chosen: Sequence[Unit], *, rewritten: bool) -> Iterator[Words]:
        """Restart; systemd needs no more for rewritten files than the refresh before."""
        del rewritten
        yield self.systemctl("restart", *_names(chosen))

    def reload(self, chosen: Sequence[Unit]) -> Iterator[Words]:
        """Let running units read their configuration again, and start the others."""
        yield self.systemctl("reload-or-restart", *_names(chosen))

    def forget(self, names: Sequence[str]) -> Iterator[Words]:
        """Drop failures of units that are gone."""
        yield self.systemctl("reset-failed", *names)

    def show(self, names: Sequence[str]) -> Words:
        """Ask for the states of units."""
        return self.systemctl("show", f"--property={','.join(PROPERTIES)}", "--", *names)

    def logs(self, names: Sequence[str], wanted: Lines) -> Words:
        """Read the units' journal."""
        flag = "--user-unit" if self.scope == "user" else "--unit"
        chosen = (f"{flag}={name}" for name in names)
        more = [*(("--follow",) if wanted.follow else ("--no-pager",))]
        if wanted.since:
            more.append(f"--since={wanted.since}")
        if wanted.boot:
            more.append("--boot")
        return ("journalctl", *chosen, f"--lines={wanted.lines}", "--output=short-iso", *more)


def no_manager(found: str) -> Diagnostic | None:
    """The diagnostic of a systemctl whose errors say that no systemd answers; None for others."""
    said = [line for line in found.splitlines() if any(word in line for word in _NO_MANAGER)]
    if not said:
        return None
    return Diagnostic(
        "operate.no-manager",
        f"no systemd answers this user: {said[-1].strip().rstrip('.')}",
        hint="`llmgen up --foreground` runs the stack without it, `llmgen install --cron` keeps it "
        "up; a user's own systemd answers in a login of that user (XDG_RUNTIME_DIR)",
    )


def _names(chosen: Sequence[Unit]) -> Iterator[str]:
    return (unit.name for unit in chosen)


def answers(text: str) -> dict[str, dict[str, str]]:
    """The blocks of `systemctl show`, by unit."""
    blocks = (
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in text.split("\n\n")
    )
    return {block["Id"]: block for block in blocks if "Id" in block}

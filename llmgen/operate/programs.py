"""Start other programs and wait for them to end."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from llmgen.errors import Diagnostic, InputError
from llmgen.operate.installation.privilege import denied, is_denied
from llmgen.operate.managers.systemd import no_manager

# Starting a unit waits until it is up; a server may load for minutes.
PATIENCE_SECONDS = 900
# Untranslated and without colours; podman says each time whose compose it starts.
_PLAIN = {
    "LC_ALL": "C.UTF-8",
    "SYSTEMD_COLORS": "0",
    "PAGER": "",
    "PODMAN_COMPOSE_WARNING_LOGS": "false",
}


class ProgramResult(Struct, frozen=True):
    """What a program left behind."""

    code: int
    output: str
    errors: str

    @property
    def ok(self) -> bool:
        """Whether it said so."""
        return self.code == 0


def run(
    words: Sequence[str], *, text: str | None = None, seconds: int = PATIENCE_SECONDS
) -> ProgramResult:
    """Run a program to its end, in an untranslated locale; 127 when it is not there."""
    environment = {**os.environ, **_PLAIN}
    try:
        done = subprocess.run(  # noqa: S603 - words, never a shell line
            own(words),
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        return ProgramResult(127, "", f"`{words[0]}` is not installed or not on PATH")
    except PermissionError:
        return ProgramResult(126, "", f"`{words[0]}` may not be run by this user")
    except subprocess.TimeoutExpired:
        return ProgramResult(124, "", f"still running after {seconds} s")
    return ProgramResult(done.returncode, done.stdout, done.stderr)


def own(words: Sequence[str]) -> list[str]:
    """The same words; llmgen itself runs as this very program, wherever it is installed."""
    if Path(words[0]).name == "llmgen":
        return [sys.executable, "-m", "llmgen", *words[1:]]
    return list(words)


def refuse_no_manager(done: ProgramResult) -> None:
    """InputError when a systemctl found no systemd behind it."""
    found = None if done.ok else no_manager(done.errors)
    if found is not None:
        raise InputError(found)


def must(words: Sequence[str]) -> str:
    """Run a program whose failure is the user's to see; its output."""
    done = run(words)
    if done.ok:
        return done.output
    refuse_no_manager(done)
    said = [line for line in (done.errors or done.output).splitlines() if line.strip()]
    if words[0] == "systemctl" and is_denied(done.errors):
        raise InputError(denied(words, said[-5:]))
    raise InputError(
        Diagnostic(
            "operate.command-failed",
            f"`{shlex.join(words)}` failed with exit code {done.code}",
            notes=tuple(said[-5:]),
            hint="put that right and run the same command again",
        )
    )


def follow(words: Sequence[str]) -> int:
    """Run a program in this terminal until it ends or ^C; its exit code."""
    try:
        return subprocess.run(list(words), check=False).returncode  # noqa: S603 - words
    except KeyboardInterrupt:
        return 0

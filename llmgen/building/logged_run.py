"""A program that runs for minutes: what it says goes into a log, how far it is to whoever asks."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, TypeAlias

from llmgen.errors import Diagnostic, InputError

# How much of how much, and what is done now.
ProgressReport: TypeAlias = Callable[[int, int, str], None]
# `[12/499] Building…` of ninja, `[ 12%] Building…` of make, `STEP 3/20: RUN…` of podman.
_NINJA: Final = re.compile(r"^\[(\d+)/(\d+)\] (.*)")
_MAKE: Final = re.compile(r"^\[ *(\d+)%\] (.*)")
_LAST_LINES: Final = 12
_GRACE_SECONDS: Final = 10
_KILLED: Final = (-signal.SIGKILL, 128 + signal.SIGKILL)


def streamed(
    words: Sequence[str],
    log: Path,
    told: ProgressReport,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a program to its end; InputError with its last words when it fails.

    Whatever ends llmgen in the middle (^C, SIGTERM, SIGHUP) ends the program with all that it
    started.
    """
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with log.open("a", encoding="utf-8") as kept, _ends_as_interrupt():
        kept.write(f"$ {shlex.join(words)}\n")
        kept.flush()
        with _started(words, environment) as process:
            for line in process.stdout or ():
                kept.write(line)
                last.append(line.rstrip())
                _tell(line, told)
            code = process.wait()
    if code:
        raise InputError(_failed(words, code, [line for line in last if line], log))


def _tell(line: str, told: ProgressReport) -> None:
    if found := _NINJA.match(line):
        told(int(found[1]), int(found[2]), found[3])
    elif found := _MAKE.match(line):
        told(int(found[1]), 100, found[2])


@contextlib.contextmanager
def _started(
    words: Sequence[str], environment: Mapping[str, str] | None
) -> Iterator[subprocess.Popen[str]]:
    """The program in a process group of its own, of which nothing is left at the end."""
    try:
        process = subprocess.Popen(  # noqa: S603 - words, never a shell line
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    except OSError as error:
        raise InputError(
            Diagnostic(
                "build.no-program",
                f"`{words[0]}` cannot be started: {error.strerror}",
                hint=f"install {words[0]}, then run the same command again",
            )
        ) from error
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    for what in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, what)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
            if what is signal.SIGTERM:
                # Its children may take longer than itself.
                continue
    if process.stdout:
        process.stdout.close()


@contextlib.contextmanager
def _ends_as_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP end as ^C does: with everything that was started."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _failed(words: Sequence[str], code: int, last: Sequence[str], log: Path) -> Diagnostic:
    killed = code in _KILLED or any("Killed signal terminated" in line for line in last)
    return Diagnostic(
        "build.failed",
        f"`{words[0]} {words[1] if words[1:] else ''}` failed with exit code {code}",
        notes=(*last, f"everything that was said is in {log}"),
        hint="memory ran out: fewer `--jobs`, then run the same command again"
        if killed
        else "put that right and run the same command again: what is compiled stays",
    )

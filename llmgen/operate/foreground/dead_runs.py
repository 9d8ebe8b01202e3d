"""What a killed `up --foreground` left: its programs, and the private folder with its keys."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from llmgen.errors import Diagnostic, Severity
from llmgen.operate.foreground import run_folder
from llmgen.operate.foreground.run import RUN

# They were asked to end by the kernel already; a server ends a request that it is at.
GRACE_SECONDS, KILL_SECONDS = 20, 5


def clear() -> tuple[Diagnostic, ...]:
    """End and remove what dead runs of this user left; what was done, as notes."""
    return tuple(map(_clear, run_folder.dead()))


def _clear(folder: Path) -> Diagnostic:
    ended = _end([*_programs(folder)])
    shutil.rmtree(folder, ignore_errors=True)
    left = folder.exists()
    return Diagnostic(
        "operate.dead-run",
        f"an `up --foreground` was killed: its folder `{folder}` "
        f"{'cannot be removed' if left else 'is removed'}"
        f"{f', {ended} programs of it are ended' if ended else ''}",
        hint=f"remove it: `rm -r {folder}`" if left else "",
        severity=Severity.WARNING if left else Severity.NOTE,
    )


def _programs(folder: Path) -> Iterator[psutil.Process]:
    """The processes of this user that carry the run's mark, those that its programs started too."""
    for item in psutil.process_iter():
        try:
            is_own = item.pid != os.getpid() and item.uids().real == os.getuid()
            if is_own and item.environ().get(RUN) == str(folder):
                yield item
        except (psutil.Error, OSError):
            continue


def _end(programs: list[psutil.Process]) -> int:
    for item in programs:
        _signal(item, kill=False)
    _, stubborn = psutil.wait_procs(programs, timeout=GRACE_SECONDS)
    for item in stubborn:
        _signal(item, kill=True)
    psutil.wait_procs(stubborn, timeout=KILL_SECONDS)
    return len(programs)


def _signal(item: psutil.Process, *, kill: bool) -> None:
    try:
        # psutil compares the start time first: a process id that was given away is let be.
        item.kill() if kill else item.terminate()
    except psutil.Error:
        return

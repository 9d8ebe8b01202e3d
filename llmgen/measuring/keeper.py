"""Keeps one program and everything that it starts, and ends all of it when its own starter is gone.

Run as a script of its own (`python -I -S keeper.py STARTER CGROUP WORDS…`): it adopts what the
program leaves behind (a child subreaper on Linux), looks for its starter, and on SIGTERM or the
starter's end asks the program to end, then kills what is left. The program itself dies with it.
CGROUP is a folder to be made for the program's memory, or `-`. Nothing but the standard library:
it starts in milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

# linux/prctl.h
_PDEATHSIG, _SUBREAPER = 1, 36
_POLL_SECONDS, GRACE_SECONDS = 0.05, 10.0
NO_CGROUP = "-"


def main(starter: int, cgroup: str, words: list[str]) -> int:
    """The program's exit status."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        asked.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, ask)
    # A terminal's ^C is for the starter, which ends this one in its own time.
    os.setsid()
    _prctl(_SUBREAPER, 1)
    _prctl(_PDEATHSIG, signal.SIGTERM)
    folder = _folder(cgroup)
    program = os.fork()
    if program == 0:
        _become(folder, words)
    status = None
    while status is None and not asked and os.getppid() == starter:
        status = _ended(program)
        time.sleep(_POLL_SECONDS)
    _end_all(program, folder, is_over=status is not None)
    if folder is not None:
        _remove(folder)
    return os.waitstatus_to_exitcode(status) & 0xFF if status is not None else 0


def _become(folder: Path | None, words: list[str]) -> None:
    """The program, in a group and a cgroup of its own."""
    os.setpgid(0, 0)
    _prctl(_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if folder is not None:
        (folder / "cgroup.procs").write_text("0")
    try:
        os.execvp(words[0], words)  # noqa: S606 - words, never a shell line
    except OSError as error:
        sys.stderr.write(f"`{words[0]}` cannot be started: {error.strerror}\n")
        os._exit(127)


def _end_all(program: int, folder: Path | None, *, is_over: bool) -> None:
    """Ask the program to end, wait a while, then kill everything that is left."""
    if not is_over:
        _signal(program, signal.SIGTERM)
        last = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < last and _ended(program) is None:
            time.sleep(_POLL_SECONDS)
    # Its group first: the only way where there is no /proc.
    with suppress(OSError):
        os.killpg(program, signal.SIGKILL)
    while left := _left(folder):
        for process in left:
            _signal(process, signal.SIGKILL)
        _ended(-1)
        time.sleep(_POLL_SECONDS)


def _left(folder: Path | None) -> set[int]:
    """Everything below this process, and everything in the program's cgroup."""
    _reap()
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name may have any character; what follows its last parenthesis is plain.
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
    found: set[int] = set()
    fresh = {os.getpid()}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    if folder is not None:
        try:
            found |= {int(line) for line in (folder / "cgroup.procs").read_text().split()}
        except OSError:
            return found
    return found


def _ended(process: int) -> int | None:
    """How a child ended; None while it runs. -1 is any of them."""
    try:
        found, status = os.waitpid(process, os.WNOHANG)
    except ChildProcessError:
        return 0
    return status if found else None


def _reap() -> None:
    """Take leave of children that have ended."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                return
        except ChildProcessError:
            return


def _signal(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except OSError:
        return


def _folder(name: str) -> Path | None:
    """The cgroup, where one can be made and counts memory."""
    if name == NO_CGROUP:
        return None
    folder = Path(name)
    try:
        folder.mkdir()
    except OSError:
        return None
    if any((folder / file).exists() for file in ("memory.peak", "memory.max_usage_in_bytes")):
        return folder
    _remove(folder)
    return None


def _remove(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))

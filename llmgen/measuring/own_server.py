"""A server of its own on a free loopback port, for as long as a ``with`` statement lasts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import psutil
from msgspec import Struct

from llmgen.errors import Diagnostic, InputError
from llmgen.measuring import keeper
from llmgen.measuring.cgroup import place
from llmgen.measuring.tree import below
from llmgen.web.client import request
from llmgen.web.limits import QUICK, LimitError

LOOPBACK: Final = "127.0.0.1"
# Every process of a run has it, whoever started it.
MARK: Final = "LLMGEN_MEASURE"
_POLL_SECONDS: Final = 0.2
_KEEPER_SECONDS: Final = 5.0
_LAST_LINES: Final = 8


class Started(Struct, frozen=True):
    """A server that runs: its keeper, what it says, and its cgroup where it has one."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    cgroup: Path | None

    @property
    def pid(self) -> int:
        """The keeper's process, whose children are the server's."""
        return self.process.pid

    def last_words(self) -> tuple[str, ...]:
        """The last lines that the server said."""
        size = os.fstat(self.log.fileno()).st_size
        text = os.pread(self.log.fileno(), 20_000, max(0, size - 20_000))
        lines = [line.rstrip() for line in text.decode("utf-8", "replace").splitlines()]
        return tuple(line for line in lines if line)[-_LAST_LINES:]


def free_port() -> int:
    """A port of the loopback that nobody has now."""
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])


@contextmanager
def started(words: Sequence[str], environment: Mapping[str, str]) -> Iterator[Started]:
    """The program with everything that it starts; nothing of it is left at the end."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    folder = place(os.getpid())
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603 - words, never a shell line
            [
                *(sys.executable, "-I", "-S", keeper.__file__, str(os.getpid())),
                *(str(folder or keeper.NO_CGROUP), *words),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment, MARK: mark},
        )
        try:
            yield Started(process, log, folder)
        finally:
            _end(process, mark)


def ready(server: Started, url: str, health: str, seconds: float, name: str) -> None:
    """Wait until the health path answers 200; InputError with the server's last words if not."""
    import httpx  # noqa: PLC0415 - costs more than most commands take

    last = time.monotonic() + seconds
    while time.monotonic() < last:
        if server.process.poll() is not None:
            raise failed(server, name, "ended before it was ready", "not-ready")
        with suppress(httpx.HTTPError, LimitError):
            if request(url + health, QUICK, {}).status_code == 200:
                return
        time.sleep(_POLL_SECONDS)
    raise failed(server, name, f"was not ready after {seconds:.0f} s", "not-ready")


def failed(server: Started, name: str, what: str, code: str = "failed") -> InputError:
    """What became of a server, with its last words."""
    return InputError(
        Diagnostic(
            f"measure.{code}",
            f"the server of `{name}` {what}",
            notes=server.last_words(),
            hint="`llmgen show --model NAME` shows its command; try it by hand",
        )
    )


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Ask the keeper to end all of it, and see to it when the keeper itself is gone."""
    kept = below(process.pid)
    try:
        process.send_signal(signal.SIGTERM)
        process.wait(keeper.GRACE_SECONDS + _KEEPER_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        _kill([*kept, *_marked(mark)])


def _marked(mark: str) -> Iterator[psutil.Process]:
    """Processes of this run that no longer hang together with it."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                yield process
        except (psutil.Error, OSError):
            continue


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs([*processes], timeout=_KEEPER_SECONDS)

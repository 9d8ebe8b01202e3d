"""Start `kubectl` with a list of words, and hear it out within bounds of time and size."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import IO, Final

from msgspec import Struct

from llmgen.operate.programs import ProgramResult
from llmgen.units import MIB

_CHUNK: Final = 1 << 16
# What kubectl says of failures is a few lines for each object.
_MOST_ERRORS: Final = 4 * MIB
# Defaults of the user's own, another program for `diff`: what is run is what stands here.
_PLAIN: Final = {"LC_ALL": "C.UTF-8", "KUBERC": "off", "NO_COLOR": "1"}
_NOT_OURS: Final = ("KUBECTL_EXTERNAL_DIFF",)


class KubectlBounds(Struct, frozen=True):
    """How long it may take, and how much it may say."""

    seconds: float = 120
    size_bytes: int = 256 * MIB


class KubectlTimeout(Exception):
    """It did not end in time."""


class KubectlOverflow(Exception):
    """It said more than the bounds allow."""


def run(words: Sequence[str], *, given: str | None = None, bounds: KubectlBounds) -> ProgramResult:
    """Run it to its end; 127 when it is not there. TooLong, TooMuch: it was ended."""
    with contextlib.ExitStack() as stack:
        # A file, so that nobody waits for the other one's pipe.
        told = stack.enter_context(tempfile.TemporaryFile())
        told.write((given or "").encode())
        told.seek(0)
        try:
            process = _started(words, told)
        except FileNotFoundError:
            return ProgramResult(127, "", "")
        except OSError as error:
            return ProgramResult(126, "", error.strerror or "")
        stack.callback(_end, process)
        out, errors = _heard(process, time.monotonic() + bounds.seconds, bounds.size_bytes)
        return ProgramResult(process.wait(), _text(out), _text(errors))


def follow(words: Sequence[str]) -> int:
    """Run it in this terminal until it ends or ^C; its exit code."""
    try:
        return subprocess.run(list(words), check=False, env=_environment()).returncode  # noqa: S603 - words
    except KeyboardInterrupt:
        return 0


def _started(words: Sequence[str], given: IO[bytes]) -> subprocess.Popen[bytes]:
    """In a session of its own: plugins for credentials that it starts end with it."""
    return subprocess.Popen(  # noqa: S603 - words, never a shell line
        list(words),
        stdin=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
    )


def _environment() -> Mapping[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in _NOT_OURS}
    return {**kept, **_PLAIN}


def _heard(
    process: subprocess.Popen[bytes], until: float, most: int
) -> tuple[bytearray, bytearray]:
    out, errors = bytearray(), bytearray()
    with selectors.DefaultSelector() as waiting:
        for stream, held in ((process.stdout, out), (process.stderr, errors)):
            if stream is not None:
                waiting.register(stream, selectors.EVENT_READ, held)
        while waiting.get_map():
            left = until - time.monotonic()
            if left <= 0:
                raise KubectlTimeout
            for key, _ in waiting.select(left):
                piece = os.read(key.fd, _CHUNK)
                key.data.extend(piece)
                if not piece:
                    waiting.unregister(key.fileobj)
            if len(out) > most or len(errors) > _MOST_ERRORS:
                raise KubectlOverflow
    try:
        process.wait(max(until - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        raise KubectlTimeout from None
    return out, errors


def _end(process: subprocess.Popen[bytes]) -> None:
    """It, and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _text(said: bytearray) -> str:
    return said.decode("utf-8", "replace")

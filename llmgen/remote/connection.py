"""A program that speaks with llmgen through pipes: `ssh` to a host, or Python on this one."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from importlib import resources
from types import TracebackType
from typing import IO, Final, Self

from msgspec import Struct

from llmgen.remote.messages import MessageHeader, Received, written
from llmgen.remote.openssh import ALIVE_SECONDS
from llmgen.units import MIB

_CHUNK: Final = 1 << 16
# What `ssh` says of a connection is a few lines.
_KEPT_ERRORS: Final = 1 << 14
# How long a program over there may take to end by itself, and its folder to be removed.
_GRACE_SECONDS: Final = 25
_GRACE_OF_OTHERS: Final = 2


class HostBounds(Struct, frozen=True):
    """How long a host may take, and how much it may say.

    ``connect_seconds`` until `ssh` has reached it, ``greeting_seconds`` until it has told, too,
    which llmgen it has, ``seconds`` for everything.
    """

    connect_seconds: int = 10
    greeting_seconds: float = 60
    seconds: float = 900
    size_bytes: int = 64 * MIB


class Lost(Exception):
    """The program has ended before the last message: its exit code and last words."""

    def __init__(self, code: int, errors: str) -> None:
        """Carry both."""
        super().__init__(code, errors)
        self.code = code
        self.errors = errors


class HostTimeout(Exception):
    """Nothing of what was asked for has come in time."""


class HostOverflow(Exception):
    """More has come than the bounds allow."""


class Stop:
    """Ends all connections that have it, from another thread."""

    def __init__(self) -> None:
        """Make a pipe: every connection sees when it is closed at one end."""
        self.watched, self._end = os.pipe()

    def now(self) -> None:
        """End them."""
        if self._end >= 0:
            os.close(self._end)
            self._end = -1

    def close(self) -> None:
        """Give both ends back, once no connection has it any longer."""
        self.now()
        os.close(self.watched)


class Connection:
    """Messages to and from a keeper; at the end of the block both sides have ended."""

    def __init__(self, words: Sequence[str], bounds: HostBounds, stop: Stop | None = None) -> None:
        """Start the program; OSError when there is none."""
        self._bounds, self._stop = bounds, stop
        self._nonce = os.urandom(16).hex()
        self._received = Received(self._nonce, held=bytearray())
        self._messages: deque[tuple[MessageHeader, bytes]] = deque()
        self._waiting = bytearray()
        self._errors = bytearray()
        self._size = 0
        self._started = self._beat = time.monotonic()
        self._process = _started(words)
        self._selector = selectors.DefaultSelector()
        source, sink, errors = _pipes(self._process)
        self._sink = sink
        self._open = {source.fileno(): self._take, errors.fileno(): self._take_errors}
        for descriptor in (*self._open, sink.fileno()):
            os.set_blocking(descriptor, False)
        for descriptor in self._open:
            self._selector.register(descriptor, selectors.EVENT_READ)
        if stop is not None:
            self._selector.register(stop.watched, selectors.EVENT_READ)
        keeper = resources.files("llmgen.remote").joinpath("keeper.py").read_bytes()
        self._waiting += b"%d\n%b" % (len(keeper), keeper)

    def __enter__(self) -> Self:
        """The same one."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the other side end, which it does when it reads no more; then be done with it."""
        try:
            self._let_go()
        finally:
            self._kill()

    @property
    def nonce(self) -> str:
        """What the keeper has to greet with."""
        return self._nonce

    def send(self, header: MessageHeader, payload: bytes = b"") -> None:
        """Send a message, while the next one is waited for."""
        self._waiting += written(header, payload)

    def receive(self, *, seconds: float | None = None) -> tuple[MessageHeader, bytes]:
        """The next message; ``seconds`` count from the start of the program."""
        until = self._started + min(seconds or self._bounds.seconds, self._bounds.seconds)
        while not self._messages:
            if not self._open:
                raise Lost(self._process.wait(), self.errors)
            if time.monotonic() >= until:
                raise HostTimeout
            self._turn(until)
        return self._messages.popleft()

    @property
    def noise(self) -> bytes:
        """What came before the keeper's greeting, or instead of it."""
        return self._received.noise or bytes(self._received.held[:200])

    @property
    def errors(self) -> str:
        """The last that the program wrote to standard error."""
        return self._errors.decode("utf-8", "replace")

    def _turn(self, until: float) -> None:
        """Move what can be moved now, or wait until something can."""
        self._heartbeat()
        self._write_when_possible()
        wait = min(until - time.monotonic(), ALIVE_SECONDS)
        for key, _ in self._selector.select(max(wait, 0)):
            if self._stop is not None and key.fd == self._stop.watched:
                raise KeyboardInterrupt
            if key.fd in self._open:
                self._read(key.fd)
            else:
                self._write()

    def _heartbeat(self) -> None:
        now = time.monotonic()
        if now - self._beat >= ALIVE_SECONDS:
            self._beat = now
            self._waiting += written({})

    def _write_when_possible(self) -> None:
        known = not self._sink.closed and self._sink.fileno() in self._selector.get_map()
        if self._waiting and not self._sink.closed and not known:
            self._selector.register(self._sink, selectors.EVENT_WRITE)
        elif known and not self._waiting:
            self._selector.unregister(self._sink)

    def _write(self) -> None:
        try:
            done = os.write(self._sink.fileno(), self._waiting[:_CHUNK])
        except BlockingIOError:
            return
        except OSError:
            # Its other pipes tell why it is gone.
            self._selector.unregister(self._sink)
            self._sink.close()
            self._waiting.clear()
            return
        del self._waiting[:done]

    def _read(self, descriptor: int) -> None:
        piece = os.read(descriptor, _CHUNK)
        if not piece:
            self._closed(descriptor)
            return
        self._size += len(piece)
        if self._size > self._bounds.size_bytes:
            raise HostOverflow
        self._open[descriptor](piece)

    def _closed(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        del self._open[descriptor]

    def _take(self, piece: bytes) -> None:
        self._messages.extend(self._received.add(piece))

    def _take_errors(self, piece: bytes) -> None:
        self._errors += piece
        del self._errors[:-_KEPT_ERRORS]

    def _let_go(self) -> None:
        """Close its input; whatever it still says is passed over until it is gone."""
        if not self._sink.closed:
            if self._sink.fileno() in self._selector.get_map():
                self._selector.unregister(self._sink)
            self._sink.close()
        self._waiting.clear()
        if self._stop is not None:
            self._selector.unregister(self._stop.watched)
        grace = _GRACE_SECONDS if self._received.is_greeted else _GRACE_OF_OTHERS
        until = time.monotonic() + grace
        while self._open and (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                if not os.read(key.fd, _CHUNK):
                    self._closed(key.fd)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(until - time.monotonic(), 0))

    def _kill(self) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._selector.close()
        for pipe in _pipes(self._process):
            pipe.close()


def _started(words: Sequence[str]) -> subprocess.Popen[bytes]:
    """The program in a session of its own, which no ^C of this terminal reaches."""
    return subprocess.Popen(  # noqa: S603 - words, never a shell line
        list(words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
        env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
    )


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    if process.stdout is None or process.stdin is None or process.stderr is None:
        raise AssertionError
    return process.stdout, process.stdin, process.stderr

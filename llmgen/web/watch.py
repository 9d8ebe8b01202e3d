"""Holds one exchange to its limits, whichever client of the httpx family carries it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar, Token
from functools import cache, partial
from types import TracebackType
from typing import Any, Final, Self
from weakref import WeakSet

from msgspec.structs import replace

from llmgen.errors import LlmgenError
from llmgen.units import MIB
from llmgen.web.depth import Nesting
from llmgen.web.limits import PACE_SECONDS, Limit, LimitError, Limits

PAGE_BYTES: Final = MIB
Counted = Callable[[Iterator[bytes]], Iterator[bytes]]
_CONNECTED: Final = ("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")
# Connections that are kept for the next request; a request that is on one of them does not know
# which it is before the answer's first line has come.
_kept: WeakSet[socket.socket] = WeakSet()
_current: ContextVar[Watch | None] = ContextVar("watch", default=None)


class Watch:
    """As a context manager, limits everything that is asked inside by clients with ``HOOKS``.

    Time is kept by a thread that shuts the connection: a peer that drips, be it in the middle of a
    header, cannot outlast it.
    """

    def __init__(self, name: str, limits: Limits, hint: str) -> None:
        """``name`` is what is asked, for the error; nothing is asked yet."""
        self.name, self.limits, self.hint = name, limits, hint
        self.is_over = False
        self._socket: socket.socket | None = None
        self._token: Token[Watch | None] | None = None
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        """Begin: from now on the time runs."""
        self._token = _current.set(self)
        self.allow(self.limits.seconds)
        return self

    def allow(self, seconds: float) -> None:
        """From now on so many seconds; 0 for as many as it takes."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._end) if seconds else None
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; what the client raised because its connection was shut is a LimitError."""
        self.allow(0)
        if self._token is not None:
            _current.reset(self._token)
        if self._socket is not None:
            _kept.add(self._socket)
        if self.is_cut(error):
            raise self.broken(Limit.TIME) from error

    def is_cut(self, error: BaseException | None) -> bool:
        """Whether a client's error comes from a connection that was shut when time was over."""
        return self.is_over and isinstance(error, Exception) and not isinstance(error, LlmgenError)

    def broken(self, limit: Limit, limits: Limits | None = None) -> LimitError:
        """The error of a limit."""
        return LimitError(self.name, limit, limits or self.limits, self.hint)

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Httpcore's own report: the connection is known when it is made."""
        if event.endswith(_CONNECTED):
            self._take(info["return_value"])

    def answered(self, response: Any) -> None:  # noqa: ANN401 - of httpx or its successor
        """The head of an answer is there: its body is counted while it is read."""
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            # Its size would be known only after it was unpacked.
            raise self.broken(Limit.COMPRESSED)
        if stream := response.extensions.get("network_stream"):
            self._take(stream)
        limits = self.limits
        if not 200 <= response.status_code < 300:
            # A page about an error, or one that leads elsewhere; never what is waited for.
            most = min(limits.size_bytes or PAGE_BYTES, PAGE_BYTES)
            limits = replace(limits, size_bytes=most, pace_bytes=0)
        if limits.pace_bytes:
            self.allow(0)
        kind = _stream_kind(type(response.stream))
        response.stream = _limited(kind)(response.stream, partial(self.counted, limits))

    def counted(self, limits: Limits, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces, up to the first limit."""
        nesting, size = Nesting(), 0
        pace = _Pace(limits.pace_bytes)
        for piece in pieces:
            size += len(piece)
            if limits.size_bytes and size > limits.size_bytes:
                raise self.broken(Limit.SIZE, limits)
            if limits.depth and nesting.feed(piece) > limits.depth:
                raise self.broken(Limit.DEPTH, limits)
            if pace.is_behind(len(piece)):
                raise self.broken(Limit.PACE, limits)
            yield piece
        if self.is_over:
            # A shut connection looks like the end where no length was told.
            raise self.broken(Limit.TIME)

    def _take(self, stream: Any) -> None:  # noqa: ANN401 - httpcore's
        found = stream.get_extra_info("socket")
        self._socket = found if isinstance(found, socket.socket) else None
        if self._socket is not None:
            _kept.discard(self._socket)
        if self.is_over:
            self._end()

    def _end(self) -> None:
        self.is_over = True
        for item in [self._socket] if self._socket is not None else [*_kept]:
            _shut(item)


class _Pace:
    """Whether each window of a long transfer brings its least."""

    def __init__(self, least: int) -> None:
        self.least, self.got, self.since = least, 0, time.monotonic()

    def is_behind(self, more: int) -> bool:
        """Count bytes that came."""
        self.got += more
        if time.monotonic() - self.since < PACE_SECONDS:
            return False
        behind = self.got < self.least
        self.got, self.since = 0, time.monotonic()
        return behind


def _shut(item: socket.socket) -> None:
    try:
        # The socket's own, also of one with TLS, whose state another thread is using.
        socket.socket.shutdown(item, socket.SHUT_RDWR)
    except OSError:
        return


def _stream_kind(found: type) -> type:
    """The network library's class of streams, which it wants its answers' streams to be of."""
    return next(kind for kind in found.__mro__ if kind.__name__ == "SyncByteStream")


@cache
def _limited(kind: type) -> Callable[[Any, Counted], Any]:
    def begin(self: Any, stream: Any, counted: Counted) -> None:  # noqa: ANN401
        self.stream, self.counted = stream, counted

    def pieces(self: Any) -> Iterator[bytes]:  # noqa: ANN401
        counted: Counted = self.counted
        return counted(iter(self.stream))

    def close(self: Any) -> None:  # noqa: ANN401
        self.stream.close()

    members = {"__init__": begin, "__iter__": pieces, "close": close}
    return type("LimitedStream", (kind,), members)


def _asked(request: Any) -> None:  # noqa: ANN401 - of httpx or its successor
    watch = _current.get()
    if watch is not None:
        request.headers["Accept-Encoding"] = "identity"
        request.extensions["trace"] = watch.trace


def _answered(response: Any) -> None:  # noqa: ANN401
    watch = _current.get()
    if watch is not None:
        watch.answered(response)


# What a client of httpx needs to heed the watch around its requests.
HOOKS: Final[Mapping[str, list[Callable[[Any], None]]]] = {
    "request": [_asked],
    "response": [_answered],
}


def heeding(client: Any) -> Any:  # noqa: ANN401 - huggingface_hub's own client
    """A client of another library that heeds the watch, too; the same client."""
    found = client.event_hooks
    if _asked not in found["request"]:
        client.event_hooks = {name: [*found[name], *hooks] for name, hooks in HOOKS.items()}
    return client

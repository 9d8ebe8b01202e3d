"""The same call for several hosts, side by side: one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from msgspec import Struct

from llmgen.errors import Diagnostic, LlmgenError
from llmgen.remote.connection import Stop
from llmgen.remote.host import Host

Value = TypeVar("Value")
_AT_ONCE: Final = 16


class OfHost(Struct, Generic[Value], frozen=True):
    """What a call gave for one host: a value, or what went wrong and with which exit code."""

    host: Host
    value: Value | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    exit_code: int = 0


def each(hosts: Sequence[Host], call: Callable[[Host, Stop], Value]) -> tuple[OfHost[Value], ...]:
    """The call for every host, at most sixteen at once; results are in the order of the hosts.

    ^C ends those that run, waits until nothing of them is left, and goes on.
    """
    stop = Stop()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = [pool.submit(_one, host, call, stop) for host in hosts]
        try:
            found = tuple(future.result() for future in waiting)
        except BaseException:
            stop.now()
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            pool.shutdown()
            stop.close()
    return found


def _one(host: Host, call: Callable[[Host, Stop], Value], stop: Stop) -> OfHost[Value]:
    try:
        return OfHost(host, call(host, stop))
    except LlmgenError as error:
        return OfHost(host, None, error.diagnostics, error.exit_code)

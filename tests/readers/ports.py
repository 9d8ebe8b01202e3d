"""Ports for the servers that tests start: no two test processes get the same.

A port that is found free can be another's before its server binds it, the sooner the more
processes test at once. So each process claims a zone of its own, by a lock that ends with it.
"""

import contextlib
import functools
import itertools
import os
import socket
import tempfile
from pathlib import Path

import filelock

# Below the range that the kernel gives to clients (ip_local_port_range: from 32768).
FIRST, ZONE, ZONES = 12000, 1000, 20


def free_port(following=0):
    """A port that nobody listens on now, nor on the ``following`` ports after it."""
    return free_ports(1 + following)[0]


def free_ports(count):
    """Ports next to each other that nobody listens on now, as a range.

    They go round in this process's zone: one that was given lately comes last.
    """
    zone, turns = _zone()
    for turn in itertools.islice(turns, ZONE):
        if turn + count > ZONE:
            continue
        found = range(zone + turn, zone + turn + count)
        if all(_is_free(port) for port in found):
            for _ in range(count - 1):
                next(turns)
            return found
    raise RuntimeError(f"no {count} free ports from {zone} to {zone + ZONE - 1}")


@functools.cache
def _zone():
    """The first port of the zone that this process holds until it ends, and the turns in it."""
    folder = Path(tempfile.gettempdir()) / f"llmgen-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for number in range(ZONES):
        with contextlib.suppress(filelock.Timeout):
            _held.append(filelock.FileLock(folder / str(number)))
            _held[-1].acquire(blocking=False)
            return FIRST + number * ZONE, itertools.cycle(range(ZONE))
    raise RuntimeError(f"{ZONES} processes test at once; no zone of ports is left")


_held: list[filelock.FileLock] = []


def _is_free(port):
    with socket.socket() as probe, contextlib.suppress(OSError):
        # A server sets this, too: connections that have ended are no listeners.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False

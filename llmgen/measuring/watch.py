"""Looks at a process tree again and again and keeps the most that it held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

from llmgen.measuring.tree import TreeReading, read_tree

LOOK_SECONDS: Final = 0.1
# Asking a driver starts a program.
DEVICE_SECONDS: Final = 1.0
# Idle: for so long no more memory, and next to no processor time.
QUIET_SECONDS: Final = 2.0
_IDLE_SHARE: Final = 0.05

DeviceReader = Callable[[tuple[int, ...]], Mapping[str, int]]


class PeakWatch:
    """Peaks so far; use it in a ``with`` statement, it looks until that ends."""

    __slots__ = ("_devices", "_grew", "_over", "_root", "_thread", "last", "looks", "peak")

    def __init__(self, root: int, devices: DeviceReader) -> None:
        """Watch everything below a process; ``devices`` tells what its processes hold there."""
        self._root, self._devices = root, devices
        self.peak: dict[str, int] = {}
        self.looks = 0
        self.last = TreeReading(0, 0.0, ())
        self._grew = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Look no longer."""
        self._over.set()
        self._thread.join()

    def wait_idle(self, seconds: float) -> bool:
        """Wait until it does nothing and grows no more; False when it went on for ``seconds``."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before, began = self.last.busy, time.monotonic()
            if self._over.wait(QUIET_SECONDS):
                return False
            now = time.monotonic()
            is_idle = self.last.busy - before < _IDLE_SHARE * (now - began)
            if is_idle and now - self._grew >= QUIET_SECONDS:
                return True
        return False

    def _look(self) -> None:
        asked = 0.0
        while True:
            found = read_tree(self._root)
            sizes = {"host": found.host}
            if found.processes and time.monotonic() - asked >= DEVICE_SECONDS:
                sizes |= self._devices(found.processes)
                asked = time.monotonic()
            for key, size in sizes.items():
                if size > self.peak.get(key, 0):
                    # A page more or less is no growth.
                    if size > self.peak.get(key, 0) * 1.001:
                        self._grew = time.monotonic()
                    self.peak[key] = size
            self.last = found
            self.looks += 1
            if self._over.wait(LOOK_SECONDS):
                return

"""The loop of a terminal: looks in one thread, what was asked for in others, keys and size here."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread
from types import FrameType
from typing import Final

from rich.console import Console, Group
from rich.live import Live

from llmgen.errors import LlmgenError
from llmgen.top.actions import Acting, said
from llmgen.top.collect import Collector
from llmgen.top.keyboard import Keyboard, pressed
from llmgen.top.screen import Screen

_ENDS: Final = (signal.SIGTERM, signal.SIGHUP)


class Watching:
    """One `top` on one terminal; ``keys`` is where they are read, None where they cannot be."""

    def __init__(self, collector: Collector, acting: Acting, *, keys: int | None) -> None:
        """Nothing runs yet."""
        self._collector, self._keys = collector, keys
        self._screen = Screen(acting, self._begin)
        self._told, self._tell = os.pipe()
        os.set_blocking(self._tell, False)
        self._over, self._now = Event(), Event()
        self._ended_by = 0
        self._bug: BaseException | None = None

    def run(self, console: Console, output: int, interval: float) -> int:
        """Until `q` or a signal; 0, or 128 and the signal's number."""
        looking = Thread(target=self._look, args=(interval,), daemon=True)
        looking.start()
        # A terminal that was closed takes nothing any more, not even that its cursor comes back.
        with suppress(OSError), ExitStack() as whole:
            whole.enter_context(self._signals())
            if self._keys is not None:
                whole.enter_context(Keyboard(self._keys))
            live = Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop")
            whole.enter_context(live)
            with suppress(KeyboardInterrupt):
                while self._draw(live, console, output) and self._wait():
                    pass
        self._over.set()
        self._now.set()
        self._collector.close()
        if self._bug is not None:
            raise self._bug
        return 128 + self._ended_by if self._ended_by else 0

    def _draw(self, live: Live, console: Console, output: int) -> bool:
        width, height = os.get_terminal_size(output)
        # A terminal without a size is one that nobody looks at.
        console.size = (max(width, 1), max(height, 1))
        live.update(Group(*self._screen.lines(*console.size)), refresh=True)
        return True

    def _wait(self) -> bool:
        """Until there is something to draw; False when it is over."""
        watched = [self._told, *([self._keys] if self._keys is not None else [])]
        ready, _, _ = select.select(watched, [], [])
        if self._told in ready:
            os.read(self._told, 4096)
        if self._ended_by or self._bug is not None:
            return False
        if self._keys is not None and self._keys in ready:
            return all(self._screen.press(key) for key in pressed(self._keys))
        return True

    def _look(self, interval: float) -> None:
        while not self._over.is_set():
            self._now.clear()
            try:
                self._screen.show(self._collector.look())
            except LlmgenError as error:
                self._screen.note = said(error)
            except BaseException as error:  # noqa: BLE001 - told by the thread that may end it all
                self._bug = error
            self._wake()
            self._now.wait(interval)

    def _begin(self, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - as above
                self._bug = error
            self._now.set()
            self._wake()

        Thread(target=run, daemon=True).start()

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._tell, b".")

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Another size is drawn at once; what would end the program leaves the terminal whole."""

        def resized(_number: int, _frame: FrameType | None) -> None:
            self._wake()

        def ended(number: int, _frame: FrameType | None) -> None:
            self._ended_by = number
            self._wake()

        before = {one: signal.signal(one, ended) for one in _ENDS}
        before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, resized)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

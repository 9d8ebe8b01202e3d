"""llama-swap's events, read by a thread of their own for as long as its port is this stack's."""

from __future__ import annotations

import time
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from llmgen.errors import InputError
from llmgen.operate.engines.swap_news import SwapNews
from llmgen.web.events import events

if TYPE_CHECKING:
    from llmgen.operate.engines.server import Endpoint

PAUSE_SECONDS: Final = 1.0


class Feed:
    """The news of one llama-swap; it is asked only while ``allow`` says that it is ours."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Nothing is asked before it is allowed."""
        self.news: SwapNews | None = None
        self._endpoint, self._may, self._over = endpoint, Event(), Event()
        Thread(target=self._run, daemon=True).start()

    def allow(self, may: bool) -> None:
        """Whether it may be asked from now on; what is known of an engine that went is dropped."""
        if may:
            self._may.set()
            return
        self._may.clear()
        self.news = None

    def close(self) -> None:
        """Ask no more; a stream that is open ends with its engine, or with this program."""
        self._over.set()
        self._may.set()

    def _run(self) -> None:
        import httpx  # noqa: PLC0415 - costs more than most commands take

        while self._may.wait() and not self._over.is_set():
            news = SwapNews()
            try:
                for event in events(f"{self._endpoint.url}/api/events", self._endpoint.headers):
                    news.take(event, time.monotonic())
                    self.news = news
                    if self._over.is_set() or not self._may.is_set():
                        break
            except (httpx.HTTPError, InputError):
                pass
            self.news = None
            self._over.wait(PAUSE_SECONDS)

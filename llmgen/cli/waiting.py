"""What takes long is named on a terminal after a second; a pipe and a quick answer see nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock, Timer

PATIENCE_SECONDS = 1.0


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say ``what`` is being done on standard error while it takes longer than a second."""
    if not sys.stderr.isatty():
        yield
        return
    shown, lock, over = ExitStack(), Lock(), False

    def show() -> None:
        from rich.console import Console

        with lock:
            if not over:
                shown.enter_context(Console(stderr=True).status(what))

    timer = Timer(PATIENCE_SECONDS, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            over = True
            shown.close()

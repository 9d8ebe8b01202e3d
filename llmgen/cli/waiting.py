"""What takes long is named on a terminal after a second; a pipe and a quick answer see nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING

from llmgen.cli.printable import printable

if TYPE_CHECKING:
    from rich.status import Status

PATIENCE_SECONDS = 1.0


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Say ``what`` is being done on standard error while it takes longer than a second.

    What is given says it in other words from then on.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    shown, lock, over = ExitStack(), Lock(), False
    status: Status | None = None

    def show() -> None:
        nonlocal status
        from rich.console import Console

        with lock:
            if not over:
                status = shown.enter_context(Console(stderr=True).status(what))

    def tell(words: str) -> None:
        nonlocal what
        from rich.text import Text

        with lock:
            what = printable(words)
            if status is not None:
                # Not markup: another program's words may stand in it.
                status.update(Text(what))

    timer = Timer(PATIENCE_SECONDS, show)
    timer.daemon = True
    timer.start()
    try:
        yield tell
    finally:
        timer.cancel()
        with lock:
            over = True
            shown.close()

"""Lines of a stream of events; one without an end is not kept for long."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.web.client import HINT
from llmgen.web.limits import EVENT_BYTES, Limit, LimitError, Limits


def lines(url: str, pieces: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    """The lines of ``pieces`` without their ends; LimitError for one that is too long."""
    kept = bytearray()
    for piece in pieces:
        *whole, rest = piece.split(b"\n")
        for line in whole:
            yield bytes(kept + line)
            kept.clear()
        kept += rest
        if len(kept) > EVENT_BYTES:
            raise LimitError(url, Limit.SIZE, Limits(limits.seconds, size_bytes=EVENT_BYTES), HINT)
    if kept:
        yield bytes(kept)

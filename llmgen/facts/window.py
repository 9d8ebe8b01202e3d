"""The beginning of a file, read piece by piece as far as somebody looks."""

from __future__ import annotations

from typing import Protocol

from llmgen.facts.digest import RunningDigest
from llmgen.facts.refusals import refused
from llmgen.units import MIB, show_size

# Real headers end after at most some 20 MiB (a vocabulary of 262k tokens with its merges).
LARGEST_HEADER = 128 * MIB
FIRST = MIB // 2


class ByteSource(Protocol):
    """Something that has bytes at offsets: a file, a file on a server, a test's bytes."""

    @property
    def name(self) -> str:
        """How messages call it."""
        ...

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    @property
    def largest_piece(self) -> int:
        """Bytes that are worth asking for at once when much is wanted."""
        ...

    def read_at(self, offset: int, size: int) -> bytes:
        """``size`` bytes at ``offset``, fewer at the end."""
        ...


class ByteWindow:
    """A source's bytes from the first on; ``position`` in ``data`` is where reading goes on.

    What was read is dropped when more is wanted, so a header of megabytes needs one piece's memory.
    ``digest`` has seen what was dropped.
    """

    __slots__ = ("_dropped", "_piece", "data", "digest", "name", "position", "size", "source")

    def __init__(self, source: ByteSource, digest: RunningDigest) -> None:
        """Begin at the source's first byte, with nothing read."""
        self.source = source
        self.name = source.name
        self.size = source.size
        self.digest = digest
        self.data = b""
        self.position = 0
        self._dropped = 0
        self._piece = FIRST

    @property
    def offset(self) -> int:
        """The position, counted from the source's first byte."""
        return self._dropped + self.position

    @property
    def left(self) -> int:
        """Bytes between the position and the end of the source."""
        return self.size - self.offset

    def need(self, count: int, what: str) -> int:
        """Make ``count`` bytes at the position readable, step over them, give their place."""
        self.peek(count, what)
        begin = self.position
        self.position = begin + count
        return begin

    def peek(self, count: int, what: str) -> None:
        """Make ``count`` bytes at the position readable."""
        if self.position + count > len(self.data):
            self._grow(self.offset + count, what)

    def drop(self) -> None:
        """Forget what is before the position."""
        self.digest.feed(memoryview(self.data)[: self.position])
        self._dropped += self.position
        self.data = self.data[self.position :]
        self.position = 0

    def _grow(self, end: int, what: str) -> None:
        if end > self.size:
            raise refused(
                "truncated",
                f"`{self.name}` ends at {self.size} bytes, inside {what} that needs {end}",
            )
        if end > LARGEST_HEADER:
            raise refused(
                "header-too-large",
                f"{what} of `{self.name}` is beyond {show_size(LARGEST_HEADER)}",
            )
        self.drop()
        start = self._dropped + len(self.data)
        aim = min(max(end, start + self._piece), self.size)
        self._piece = min(self._piece * 2, self.source.largest_piece)
        more = self.source.read_at(start, aim - start)
        if len(more) < end - start:
            raise refused("truncated", f"`{self.name}` ends early, inside {what}")
        self.data += more

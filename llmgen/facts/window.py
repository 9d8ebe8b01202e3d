"""The beginning of a file, read in growing pieces as far as somebody looks."""

from __future__ import annotations

from typing import Protocol

from llmgen.facts.refusals import refused
from llmgen.units import MIB, show_size

# Real headers end after at most some 20 MiB (a vocabulary of 262k tokens with its merges).
LARGEST_HEADER = 128 * MIB
FIRST, LARGEST_PIECE = MIB // 2, 4 * MIB


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

    def read_at(self, offset: int, size: int) -> bytes:
        """``size`` bytes at ``offset``, fewer at the end."""
        ...


class Window:
    """A source's first bytes, which grow on demand; ``position`` is where reading goes on."""

    __slots__ = ("_piece", "data", "name", "position", "size", "source")

    def __init__(self, source: ByteSource) -> None:
        """Begin at the source's first byte, with nothing read."""
        self.source = source
        self.name = source.name
        self.size = source.size
        self.data = b""
        self.position = 0
        self._piece = FIRST

    @property
    def left(self) -> int:
        """Bytes between the position and the end of the source."""
        return self.size - self.position

    def need(self, count: int, what: str) -> int:
        """Make ``count`` bytes at the position readable, step over them, give their place."""
        begin = self.position
        end = begin + count
        if end > len(self.data):
            self._grow(end, what)
        self.position = end
        return begin

    def peek(self, count: int, what: str) -> None:
        """Make ``count`` bytes at the position readable."""
        if self.position + count > len(self.data):
            self._grow(self.position + count, what)

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
        start = len(self.data)
        aim = min(max(end, start + self._piece), self.size)
        self._piece = min(self._piece * 2, LARGEST_PIECE)
        more = self.source.read_at(start, aim - start)
        if len(more) < end - start:
            raise refused("truncated", f"`{self.name}` ends early, inside {what}")
        self.data = self.data + more if start else more

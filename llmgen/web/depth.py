"""How deep a JSON text nests, found without reading it as JSON: before a parser would recurse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_MARK: Final = re.compile(rb'["\[\]{}]')
# Possessive: a text without an end is looked at once.
_STRING: Final = re.compile(rb'(?:[^"\\]|\\.)*+', re.DOTALL)
_STEP: Final[Mapping[bytes, int]] = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


class Nesting:
    """Brackets that are open after what was fed so far; strings and their escapes do not count."""

    __slots__ = ("_in_string", "_rest", "deepest", "open")

    def __init__(self) -> None:
        """Nothing is open yet."""
        self.open = self.deepest = 0
        self._in_string, self._rest = False, b""

    def feed(self, piece: bytes) -> int:
        """Go on with the next bytes; the deepest level so far."""
        piece, at = self._rest + piece, 0
        self._rest = b""
        while at < len(piece):
            at = self._past_string(piece, at) if self._in_string else self._next_mark(piece, at)
        return self.deepest

    def _next_mark(self, piece: bytes, at: int) -> int:
        found = _MARK.search(piece, at)
        if found is None:
            return len(piece)
        self._in_string = found[0] == b'"'
        self.open += _STEP.get(found[0], 0)
        self.deepest = max(self.deepest, self.open)
        return found.end()

    def _past_string(self, piece: bytes, at: int) -> int:
        found = _STRING.match(piece, at)
        end = found.end() if found else at
        if piece[end : end + 1] == b'"':
            self._in_string = False
            return end + 1
        # A backslash at the end escapes what the next piece begins with.
        self._rest = piece[end:]
        return len(piece)


def depth(text: bytes) -> int:
    """The deepest level of a whole text."""
    return Nesting().feed(text)

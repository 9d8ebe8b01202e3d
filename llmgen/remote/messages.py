"""Messages between two hosts: a line of JSON, followed by as many bytes as its ``size`` says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from msgspec import Struct

MessageHeader: TypeAlias = dict[str, Any]
# What the keeper says of itself is short; of a program's output a piece has 64 KiB.
_LONGEST_LINE: Final = 1 << 16
_LARGEST: Final = 1 << 20


class Garbage(Exception):
    """Bytes that no keeper sends."""

    def __init__(self, found: bytes) -> None:
        """Carry the first of them."""
        super().__init__(found)
        self.found = found[:200]


def written(header: MessageHeader, payload: bytes = b"") -> bytes:
    """One message, as bytes."""
    return json.dumps({**header, "size": len(payload)}).encode() + b"\n" + payload


class Received(Struct):
    """What has come so far, of which whole messages are taken.

    What a login shell prints before the keeper's greeting, which has the caller's ``nonce``, is
    passed over.
    """

    nonce: str
    is_greeted: bool = False
    held: bytearray = bytearray()
    noise: bytes = b""

    def add(self, piece: bytes) -> Iterator[tuple[MessageHeader, bytes]]:
        """Take what has come, and give every message that is whole by now."""
        self.held += piece
        while True:
            end = self.held.find(b"\n")
            if end < 0 or end > _LONGEST_LINE:
                if len(self.held) > _LONGEST_LINE:
                    raise Garbage(self.noise or bytes(self.held[:200]))
                return
            line = bytes(self.held[:end])
            if not self.is_greeted:
                self._greet(line)
                del self.held[: end + 1]
                continue
            header = _header(line)
            whole = end + 1 + header["size"]
            if len(self.held) < whole:
                return
            payload = bytes(self.held[end + 1 : whole])
            del self.held[:whole]
            yield header, payload

    def _greet(self, line: bytes) -> None:
        # The last words of a login shell may stand on the same line.
        mine = written({"is": "greeting", "nonce": self.nonce})
        self.is_greeted = (line + b"\n").endswith(mine)
        if not self.is_greeted:
            self.noise = (self.noise + line + b"\n")[:_LONGEST_LINE]
            if len(self.noise) >= _LONGEST_LINE:
                raise Garbage(self.noise)


def _header(line: bytes) -> MessageHeader:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise Garbage(line) from None
    is_message = isinstance(found, dict) and isinstance(found.get("is"), str)
    if not is_message or type(found.get("size")) is not int or not 0 <= found["size"] <= _LARGEST:
        raise Garbage(line)
    return dict(found)

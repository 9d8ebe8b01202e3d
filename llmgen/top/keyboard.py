"""Keys of a terminal as they are pressed, and the terminal as it was afterwards."""

from __future__ import annotations

import os
import termios
from types import TracebackType
from typing import Final, Self

_SEQUENCES: Final = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b[H": "home",
    b"\x1b[F": "end",
    b"\r": "enter",
    b"\n": "enter",
    b"\x1b": "escape",
    b"\x03": "q",
    b"\x04": "q",
}


class Keyboard:
    """As a context manager: no echo, no waiting for a line, and ^C is a key like others."""

    def __init__(self, descriptor: int) -> None:
        """``descriptor`` is a terminal."""
        self.descriptor = descriptor
        self._before = termios.tcgetattr(descriptor)

    def __enter__(self) -> Self:
        """From now on each key comes by itself."""
        now = termios.tcgetattr(self.descriptor)
        now[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
        now[6][termios.VMIN], now[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self.descriptor, termios.TCSADRAIN, now)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The terminal as it was; one that is gone needs nothing."""
        try:
            termios.tcsetattr(self.descriptor, termios.TCSADRAIN, self._before)
        except termios.error:
            return


def pressed(descriptor: int) -> list[str]:
    """The keys that came, once the terminal can be read; `q` when it is gone."""
    try:
        read = os.read(descriptor, 1024)
    except OSError:
        read = b""
    return split(read) if read else ["q"]


def split(read: bytes) -> list[str]:
    """Bytes as names of keys; what is no key of ours is left out."""
    keys = []
    while read:
        known = [one for one in _SEQUENCES if read.startswith(one) and len(one) > 1]
        if known:
            keys.append(_SEQUENCES[known[0]])
            read = read[len(known[0]) :]
        elif read[:2] in (b"\x1b[", b"\x1bO"):
            # A sequence of another key ends with its first letter or tilde.
            end = next((at for at, byte in enumerate(read[2:], 3) if 0x40 <= byte <= 0x7E), 0)
            read = read[end:] if end else b""
        else:
            keys.append(_SEQUENCES.get(read[:1]) or read[:1].decode("ascii", "replace"))
            read = read[1:]
    return keys

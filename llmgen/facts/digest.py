"""A header's SHA-256, computed beside its reading: hashlib lets go of the interpreter's lock."""

from __future__ import annotations

import hashlib
from threading import Thread
from typing import Final

# Less than this is hashed sooner than a thread starts (0.1 ms).
_WORTH_A_THREAD: Final = 2**17


class RunningDigest:
    """SHA-256 of bytes that come one piece after the other."""

    __slots__ = ("_hash", "_thread")

    def __init__(self) -> None:
        """Begin with nothing."""
        self._hash = hashlib.sha256()
        self._thread: Thread | None = None

    def feed(self, piece: memoryview) -> None:
        """Hash one more piece, a large one in a thread; nobody may change it any more."""
        self._join()
        if len(piece) < _WORTH_A_THREAD:
            self._hash.update(piece)
            return
        self._thread = Thread(target=self._hash.update, args=(piece,))
        self._thread.start()

    def hexdigest(self) -> str:
        """The digest of all pieces so far."""
        self._join()
        return self._hash.hexdigest()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

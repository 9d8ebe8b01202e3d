"""How much of an answer is taken: bytes, seconds, levels of JSON; and the error of each limit."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

from llmgen.errors import Diagnostic, InputError
from llmgen.units import KIB, MIB, show_size

# A window in which a long transfer has to bring its least.
PACE_SECONDS: Final = 60.0


class Limit(StrEnum):
    """What an answer can have too much of, or too little."""

    SIZE = "size"
    TIME = "time"
    DEPTH = "depth"
    PACE = "pace"
    COMPRESSED = "compressed"


class Limits(Struct, frozen=True):
    """The limits of one answer.

    ``depth`` 0: it is no JSON. ``pace_bytes`` is for transfers that may take hours: ``seconds`` is
    then the time to their first byte, and each window of a minute has to bring that many bytes.
    """

    seconds: float
    size_bytes: int = 32 * MIB
    depth: int = 64
    pace_bytes: int = 0

    @property
    def wait_seconds(self) -> float:
        """How long a read may wait for its next byte."""
        return min(self.seconds, PACE_SECONDS) if self.pace_bytes else self.seconds


# What is about the state of a server, and comes at once where all is well.
QUICK: Final = Limits(5.0)
# Loading and unloading block until they are done.
SLOW: Final = Limits(1800.0)
# An answer that is made while it is read; a model may have to be loaded first.
CHAT: Final = Limits(3600.0, size_bytes=64 * MIB, depth=0)
# A line of the stream of an answer, which is one event.
EVENT_BYTES: Final = 4 * MIB
# The Hub tells all files of a repository in one answer.
HUB: Final = Limits(60.0)
# The head of a file, in pieces.
HEAD: Final = Limits(120.0, depth=0)
# A download of gigabytes: a bad line is let be, a server that only drips is not.
DOWNLOAD: Final = Limits(60.0, size_bytes=0, depth=0, pace_bytes=256 * KIB)
# An archive of a program's source; llama.cpp's is some 30 MiB.
SOURCE: Final = Limits(60.0, size_bytes=1024 * MIB, depth=0, pace_bytes=256 * KIB)


class LimitError(InputError):
    """An answer went past a limit; ``told`` says which, as the end of a sentence."""

    def __init__(self, name: str, limit: Limit, limits: Limits, hint: str) -> None:
        """``name`` is what was asked: an address, or a file of the Hub."""
        self.told = _told(limit, limits)
        super().__init__(Diagnostic(f"answer.{limit}", f"`{name}` {self.told}", hint=hint))


def _told(limit: Limit, limits: Limits) -> str:
    match limit:
        case Limit.SIZE:
            most = show_size(limits.size_bytes)
            return f"sends more than {most}, the most that is read of one answer"
        case Limit.TIME:
            return f"has not ended its answer after {limits.seconds:g} s"
        case Limit.DEPTH:
            return f"sends JSON that nests deeper than {limits.depth} levels"
        case Limit.PACE:
            least = show_size(limits.pace_bytes)
            return f"sends less than {least} in {PACE_SECONDS:g} s"
        case Limit.COMPRESSED:
            return "sends a compressed answer, which was not asked for"

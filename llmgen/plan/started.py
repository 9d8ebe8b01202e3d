"""How one model's server is started by itself, and the digest by which a run of it is known."""

from __future__ import annotations

import hashlib
from typing import Final

from msgspec import Struct

from llmgen.library import Library
from llmgen.plan import command
from llmgen.plan.model import Placement

_HEALTH: Final = "/health"


class Start(Struct, frozen=True):
    """A command, the path that answers 200 when it is ready, and the name that it answers to."""

    words: tuple[str, ...]
    health: str
    upstream: str = ""
    start_seconds: int = 0


def start(item: Placement, library: Library, port: int) -> Start:
    """The command of a model's own server on a port of the loopback."""
    return Start(command.argv(item.model, item.settings, library, port=port), _HEALTH)


def command_digest(item: Placement) -> str:
    """Of everything that was started but for its address."""
    return hashlib.sha256("\0".join(item.argv).encode()).hexdigest()

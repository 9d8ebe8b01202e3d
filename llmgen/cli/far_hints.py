"""Hints of another host's llmgen, as they are typed here."""

from __future__ import annotations

import re
from typing import Final

# The commands that go to hosts; the others are typed there.
THERE: Final = (
    "disable", "doctor", "down", "enable", "generations", "install", "logs", "measure",
    "models scan", "pull", "restart", "rollback", "status", "uninstall", "up",
)  # fmt: skip
# Without options: `up --foreground` and a plan's file are for the terminal of that machine.
_COMMAND: Final = re.compile(rf"`llmgen ({'|'.join(THERE)})((?: [A-Za-z0-9][\w./:@+-]*)*)`")


def from_here(hint: str, host: str) -> str:
    """The same hint, whose commands of llmgen go to that host."""
    return _COMMAND.sub(rf"`llmgen \1 --host {host}\2`", hint)

"""One of the machines that llmgen runs on: over ssh, or this very one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from msgspec import Struct

from llmgen.remote.destination import Destination
from llmgen.remote.openssh import START, by_hand, ssh


class Host(Struct, frozen=True):
    """A host by the name that llm.toml gives it; without a destination it is this machine.

    ``llmgen`` is the program there, where llm.toml names it.
    """

    name: str
    destination: Destination | None = None
    llmgen: str = ""

    def words(self, *, connect_seconds: int) -> Sequence[str]:
        """The command that starts the keeper there."""
        if self.destination is None:
            return (sys.executable, "-I", "-c", START)
        return ssh(self.destination, connect_seconds=connect_seconds)

    def by_hand(self, command: str = "") -> str:
        """What a person types here to run a command there."""
        if self.destination is None:
            return command
        return f"{by_hand(self.destination)} {command}".rstrip()

"""What a key does to the stack: load, unload, logs; each by what its command does, and for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from llmgen.errors import LlmgenError
from llmgen.operate.engines.engine import engine
from llmgen.operate.engines.names import loadable
from llmgen.plan.plan import Plan

LOG_LINES: Final = 200


class Acting(Struct, frozen=True):
    """The stack's own verbs; ``require_ours`` refuses where the engine's port is another's.

    ``service_log`` has the last lines of a service, ``model_log`` those of an on-demand model.
    """

    placed: Plan
    require_ours: Callable[[], None]
    service_log: Callable[[str, int], list[str]]
    model_log: Callable[[str, int], list[str]]

    def load(self, name: str) -> str:
        """Load it; what is said about that."""
        return self._engine(name, "load", f"loaded {name}")

    def unload(self, name: str) -> str:
        """Unload it; what is said about that."""
        return self._engine(name, "unload", f"unloaded {name}")

    def log(self, name: str) -> list[str]:
        """The last lines of a model's server, or why there are none."""
        try:
            read = self.model_log if self._is_loadable(name) else self.service_log
            return read(name, LOG_LINES)
        except LlmgenError as error:
            return [said(error)]

    def _is_loadable(self, name: str) -> bool:
        try:
            return bool(loadable(self.placed.placements, name))
        except LlmgenError:
            return False

    def _engine(self, name: str, verb: str, done: str) -> str:
        try:
            item = loadable(self.placed.placements, name)
            found = engine(self.placed.library.config)
            self.require_ours()
            (found.load if verb == "load" else found.unload)(found.endpoint, item.name)
        except LlmgenError as error:
            return said(error)
        return done


def said(error: LlmgenError) -> str:
    """An error on one line, with what to do about it."""
    first = error.diagnostics[0]
    return first.message + (f"; {first.hint}" if first.hint else "")

"""What is shown of a running stack at one moment."""

from __future__ import annotations

from msgspec import Struct

from llmgen.errors import Diagnostic
from llmgen.operate.status.rows import ModelStatus, PoolStatus, ServiceStatus


class LiveModel(Struct, frozen=True):
    """One model: its row of `status`, and what only shows while it is watched.

    ``health`` is what its server answers, empty where none is asked. ``queue`` are requests that
    wait for it, ``tokens_per_second`` what it generates now, ``last_tokens_per_second`` what its
    last request got, ``ttl_left`` the seconds after which it goes if nobody asks; None: not told.
    ``left`` says why it left memory the last time, ``left_seconds`` how long ago, None before
    anyone watched.
    """

    row: ModelStatus
    is_pinned: bool
    health: str
    queue: int | None = None
    tokens_per_second: float | None = None
    last_tokens_per_second: float | None = None
    ttl_left: float | None = None
    left: str = ""
    left_seconds: float | None = None

    @property
    def name(self) -> str:
        """The model's name in llm.toml."""
        return self.row.name

    @property
    def state(self) -> str:
        """Its state, with what is wrong with its server where that differs."""
        if self.row.state in ("ready", "loaded") and self.health not in ("", "ok"):
            return self.health
        return self.row.state


class Moment(Struct, frozen=True):
    """A look at everything: ``at`` is the wall clock's `HH:MM:SS`, ``number`` counts the looks.

    ``engine`` is `ok`, empty without one, or why it does not answer; ``last_left`` the model that
    left memory last.
    """

    number: int
    at: str
    host: str
    engine_name: str
    engine: str
    pools: tuple[PoolStatus, ...]
    models: tuple[LiveModel, ...]
    services: tuple[ServiceStatus, ...]
    findings: tuple[Diagnostic, ...] = ()
    last_left: str = ""

    @property
    def tokens_per_second(self) -> float:
        """What the stack generates now."""
        return sum(item.tokens_per_second or 0.0 for item in self.models)

    @property
    def last_departure(self) -> LiveModel | None:
        """The model that left memory last, as far as anybody told."""
        return next((item for item in self.models if item.name == self.last_left), None)

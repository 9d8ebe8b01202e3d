"""What is seen of the running stack: units, listeners, processes, answers; no judgement."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from llmgen.detect.devices import Gpu
from llmgen.errors import Diagnostic
from llmgen.operate.swap import Loaded


class UnitState(Struct, frozen=True):
    """A unit as its manager describes it; ``pid`` 0: none."""

    is_loaded: bool
    is_active: bool
    state: str
    result: str = ""
    restarts: int = 0
    pid: int = 0
    memory_bytes: int = 0
    is_outdated: bool = False
    is_enabled: bool = True


class Process(Struct, frozen=True):
    """A process of this machine, as far as this user may see it.

    ``foreground`` is the service that `llmgen up --foreground` started it as.
    """

    pid: int
    words: tuple[str, ...] = ()
    parents: tuple[int, ...] = ()
    user: str = ""
    memory_bytes: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    foreground: str = ""

    @property
    def name(self) -> str:
        """The program's name, for people."""
        return self.words[0].rsplit("/", 1)[-1] if self.words else f"process {self.pid}"


class Answer(Struct, frozen=True):
    """What a server answers: ``health`` is `ok`, `loading` or a reason; the rest from /props."""

    health: str
    n_ctx: int = 0
    slots: int = 0
    busy: int = 0


class Observed(Struct, frozen=True):
    """Everything that status looked at; ``None`` means that it could not be found out.

    ``listeners`` maps a port to the process that has it, None where that is hidden from this user.
    ``no_manager`` says why the service manager, which would know the units, does not answer;
    ``devices`` are in the plan's order, ``device_memory`` is by process, as far as drivers tell.
    """

    units: Mapping[str, UnitState]
    listeners: Mapping[int, Process | None]
    processes: Mapping[int, Process]
    answers: Mapping[str, Answer]
    loaded: tuple[Loaded, ...] | None = None
    engine_health: str = ""
    no_manager: Diagnostic | None = None
    devices: tuple[Gpu, ...] = ()
    device_memory: Mapping[int, int] = field(default_factory=dict)

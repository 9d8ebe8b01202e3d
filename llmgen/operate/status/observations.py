"""What is seen of the running stack: units, listeners, processes, answers; no judgement."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from llmgen.detect.devices import Gpu
from llmgen.errors import Diagnostic
from llmgen.operate.engines.swap import Loaded
from llmgen.operate.stack_owner import StackOwner


class UnitState(Struct, frozen=True):
    """A unit as its manager describes it; ``pid`` 0: none.

    ``exit_code`` is the last one of a unit of systemd, or the signal that ended it.
    ``health`` is what the check of its container says (`ok`, `loading`); empty without one.
    """

    is_loaded: bool
    is_active: bool
    state: str
    result: str = ""
    restarts: int = 0
    pid: int = 0
    memory_bytes: int = 0
    is_outdated: bool = False
    is_enabled: bool = True
    health: str = ""
    exit_code: int = 0


class Process(Struct, frozen=True):
    """A process of this machine, as far as this user may see it.

    ``foreground`` is the service that `llmgen up --foreground` started it as, ``stack`` are the
    llm.toml files of that run. ``unit`` is the unit of a stack that it is of, ``owner`` whose stack
    that is. ``folder`` is the one that it runs in.
    """

    pid: int
    words: tuple[str, ...] = ()
    parents: tuple[int, ...] = ()
    user: str = ""
    memory_bytes: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    foreground: str = ""
    stack: tuple[str, ...] = ()
    unit: str = ""
    owner: StackOwner | None = None
    folder: str = "/"

    @property
    def lineage(self) -> tuple[int, ...]:
        """The process and those above it."""
        return (self.pid, *self.parents)

    @property
    def name(self) -> str:
        """The program's name, for people."""
        return self.words[0].rsplit("/", 1)[-1] if self.words else f"process {self.pid}"


class SlotWork(Struct, frozen=True):
    """What one slot works at, or did last: ``tokens`` it has generated for that ``task``."""

    slot: int
    task: int
    tokens: int


class ServerState(Struct, frozen=True):
    """What a server answers: ``health`` is `ok`, `loading` or a reason; the rest from /props.

    ``work`` is of all slots, ``has_metrics`` says whether it counts for Prometheus.
    """

    health: str
    n_ctx: int = 0
    slots: int = 0
    busy: int = 0
    work: tuple[SlotWork, ...] = ()
    has_metrics: bool = False


class Observed(Struct, frozen=True):
    """Everything that status looked at; ``None`` means that it could not be found out.

    ``listeners`` maps a port to the process that has it, None where that is hidden from this user.
    ``no_manager`` says why the service manager, which would know the units, does not answer;
    ``devices`` are in the plan's order, ``device_memory`` is by process, as far as drivers tell.
    ``host_used`` is what all programs hold of the machine's memory.
    ``stack`` are the llm.toml files that ``user`` asks about, ``generated`` is where they are
    rendered to, ``another`` whose the installed units are when they are not theirs.
    """

    units: Mapping[str, UnitState]
    listeners: Mapping[int, Process | None]
    processes: Mapping[int, Process] = field(default_factory=dict)
    answers: Mapping[str, ServerState] = field(default_factory=dict)
    loaded: tuple[Loaded, ...] | None = None
    engine_health: str = ""
    no_manager: Diagnostic | None = None
    devices: tuple[Gpu, ...] = ()
    device_memory: Mapping[int, int] = field(default_factory=dict)
    stack: tuple[str, ...] = ()
    user: str = ""
    generated: str = ""
    another: StackOwner | None = None
    host_used: int | None = None

"""The plan: pools, placements, what can meet in memory, and how far each pool is filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field

if TYPE_CHECKING:
    from llmgen.budget.memory import Estimate
    from llmgen.budget.settings import ServerSettings
    from llmgen.engines.loaders import Loader
    from llmgen.errors import Diagnostic
    from llmgen.library import Keep, Library, Model

# Bytes that one model's process takes from each pool while it is loaded.
Footprint: TypeAlias = Mapping[str, int]


class Pool(Struct, frozen=True):
    """A limit on memory: all bytes charged to any of its ``views`` must fit into ``budget``.

    ``views`` are device names (``host``, ``gpu0`` …). Unified memory is one pool that both
    ``host`` and ``gpu0`` charge; a GTT ceiling or a Metal working set is a second pool that only
    ``gpu0`` charges. So every limit is one linear constraint.
    """

    host: str
    name: str
    views: tuple[str, ...]
    capacity_bytes: int
    reserve_bytes: int = 0
    source: str = ""

    @property
    def budget_bytes(self) -> int:
        """What models may use."""
        return self.capacity_bytes - self.reserve_bytes


class Reason(Struct, frozen=True):
    """Why a value that llm.toml left open came out as it did: (key, value, sentence)."""

    key: str
    value: str
    why: str


class Placement(Struct, frozen=True):
    """One server process: what it runs, where, under which command line, at what cost.

    ``settings`` has nothing left open. ``argv`` is the whole command as words, without the port
    when the engine assigns it (other engines than llama-server, and containers, have llama-swap's
    macro for it); ``stop`` is what stops it where a signal would not; ``environment`` are plain
    values. ``port`` 0 means the engine (llama-swap, router) assigns it.
    """

    model: Model
    host: str
    keep: Keep
    settings: ServerSettings
    estimate: Estimate
    footprint: Footprint
    port: int = 0
    argv: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    reasons: tuple[Reason, ...] = ()
    stop: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The model's name in llm.toml."""
        return self.model.name


class State(Struct, frozen=True):
    """Models that can be in memory together (a maximal set), with the peak sum of each pool."""

    models: tuple[str, ...]
    peaks: Footprint


class Matrix(Struct, frozen=True):
    """llama-swap's matrix: ``sets`` are maximal sets of on-demand models, in preference order.

    ``sets`` maps a zero-padded set name to its expression over ``variables`` (short name to model
    name). ``listed`` holds the sets that the expressions stand for, when they are few enough to
    list; ``complete`` says whether they are all maximal sets or only sound ones.
    """

    variables: Mapping[str, str]
    sets: Mapping[str, str]
    evict_costs: Mapping[str, int]
    listed: tuple[tuple[str, ...], ...] = ()
    complete: bool = True


class Router(Struct, frozen=True):
    """llama-server's router mode: at most ``models_max`` models, any of them, at a time."""

    models_max: int


class Group(Struct, frozen=True):
    """One group of llama-swap; ``members`` are model names."""

    name: str
    members: tuple[str, ...]
    swap: bool
    exclusive: bool = False
    persistent: bool = True


class Groups(Struct, frozen=True):
    """llama-swap's groups: one member at a time of those that swap, all members of the others."""

    groups: tuple[Group, ...]
    complete: bool = True


OnDemandRules: TypeAlias = Matrix | Groups | Router | None


class Headroom(Struct, frozen=True):
    """How full a pool gets in its worst state."""

    pool: Pool
    peak_bytes: int
    state: tuple[str, ...]

    @property
    def free_bytes(self) -> int:
        """What is left of the budget; negative means it does not fit."""
        return self.pool.budget_bytes - self.peak_bytes


class Plan(Struct, frozen=True):
    """Everything that rendering needs; placements keep the order of llm.toml.

    ``states`` are the maximal reachable states of each host's engine, always-on models included.
    """

    library: Library
    pools: tuple[Pool, ...]
    placements: tuple[Placement, ...]
    engines: Mapping[str, OnDemandRules]
    states: tuple[State, ...]
    headroom: tuple[Headroom, ...]
    notes: tuple[Diagnostic, ...] = ()
    excused: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)

    @property
    def loader(self) -> Loader:
        """Which engine runs beside the always-on servers; NONE where nothing is for it to do."""
        from llmgen.library import Keep  # noqa: PLC0415 - the library imports much

        services = self.library.config.services
        loads = any(item.keep is Keep.ON_DEMAND for item in self.placements)
        from llmgen.engines.loaders import LLAMA_SWAP, NONE, loader_of  # noqa: PLC0415

        row = loader_of(services)
        if loads or (row is LLAMA_SWAP and services.llama_swap.always):
            return row
        return NONE

    def placement(self, name: str) -> Placement:
        """The placement of one model, by its name in llm.toml."""
        return next(item for item in self.placements if item.name == name)

"""What a report says, as one value: bytes, seconds and names, nothing that is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from llmgen.plan.comparison import Compared
from llmgen.plan.plan import Reason
from llmgen.plan.price import StepBack

KeepWord: TypeAlias = Literal["always", "pinned", "on demand"]
StateKind: TypeAlias = Literal["refused", "reachable", "start-up", "unload during a swap"]
# What a process's bytes are: `claimed` is the whole process of an engine that tells no parts.
MemoryPart: TypeAlias = Literal[
    "weights", "context", "compute", "caches", "overhead", "margin", "claimed"
]


class Reserve(Struct, frozen=True):
    """A part of what models may not use, and for whom."""

    what: str
    size_bytes: int


class PoolFacts(Struct, frozen=True):
    """One limit on memory, and how full it gets at worst."""

    host: str
    name: str
    views: tuple[str, ...]
    capacity_bytes: int
    reserves: tuple[Reserve, ...]
    budget_bytes: int
    peak_bytes: int
    free_bytes: int
    state: tuple[str, ...]
    declared: tuple[str, ...] = ()


class ModelFacts(Struct, frozen=True):
    """One model: what it is, what it takes, and how that is known.

    ``footprint`` are bytes by pool, ``parts`` the same bytes by pool and part. ``origins`` are the
    summands of the estimate of one server: (device, what, bytes). ``left`` is what each pool has
    left when it is loaded alone beside what is always there; negative bytes are missing.
    ``load_seconds`` is what the disk needs at least to read its files.
    """

    name: str
    title: str
    card: tuple[str, ...]
    role: str
    host: str
    engine: str
    keep: KeepWord
    exact: bool
    basis: Mapping[str, str]
    devices: tuple[str, ...]
    n_ctx: int
    n_ctx_seq: int
    parallel: int
    cache_type_k: str
    cache_type_v: str
    servers: int
    footprint: Mapping[str, int]
    parts: Mapping[str, Mapping[MemoryPart, int]]
    left: Mapping[str, int]
    origins: tuple[tuple[str, str, int], ...]
    load_seconds: float
    size_bytes: int
    reasons: tuple[Reason, ...]
    measured: tuple[Compared, ...]


class Swap(Struct, frozen=True):
    """What a request for a model does to a state: who goes, how long the load takes at least.

    ``oldest`` says that one goes, whichever was used least recently.
    """

    model: str
    evicts: tuple[str, ...]
    seconds: float
    oldest: bool = False


class StateFacts(Struct, frozen=True):
    """Models in memory together, the bytes of each pool, and what is missing of it."""

    models: tuple[str, ...]
    kind: StateKind
    used: Mapping[str, int]
    missing: Mapping[str, int]
    why: str = ""
    swaps: tuple[Swap, ...] = ()


class ModelPair(Struct, frozen=True):
    """Two models beside all that is always there: whether they can meet, and why not.

    ``verdict`` is ``meet``, ``memory`` (``missing`` has bytes by pool), ``wish`` (llm.toml forbids
    it) or ``engine`` (it would fit, but who loads them cannot be told).
    """

    one: str
    other: str
    verdict: Literal["meet", "memory", "wish", "engine"]
    missing: Mapping[str, int] = {}


class Point(Struct, frozen=True):
    """One context of one request, all slots having as much, and the bytes that it takes.

    ``short`` is the pool that lacks memory for it; empty where it fits.
    """

    context: int
    used_bytes: int
    short: str = ""


class Curve(Struct, frozen=True):
    """One cache type: exact points, and the longest context that fits (0: none)."""

    cache_type_k: str
    cache_type_v: str
    points: tuple[Point, ...]
    longest: int


class Contexts(Struct, frozen=True):
    """Context against memory of one model on the pool where it takes most.

    ``room_bytes`` is what others leave of the pool in the tightest set that must fit.
    """

    model: str
    pool: str
    room_bytes: int
    weights_bytes: int
    now: int
    trained: int
    curves: tuple[Curve, ...]


class ServedName(Struct, frozen=True):
    """What clients may say, who serves it, and what kind of name it is."""

    name: str
    model: str
    kind: str


class ClientDoor(Struct, frozen=True):
    """Where clients connect: a program and its address."""

    name: str
    address: str
    paths: tuple[str, ...]


class NameRoute(Struct, frozen=True):
    """From a model's names to its server: doors, who loads it, its program, its port (0: any)."""

    model: str
    names: tuple[ServedName, ...]
    doors: tuple[str, ...]
    loader: str
    server: str
    port: int
    unit: str = ""


class WayOut(Struct, frozen=True):
    """A change that was planned and fits, or a sentence on what would do."""

    sentence: str
    edits: str
    won_bytes: int
    prices: tuple[str, ...]


class Refusal(Struct, frozen=True):
    """What does not fit, as the error says it."""

    message: str
    place: str
    pool: str
    missing_bytes: int
    notes: tuple[str, ...]
    ways: tuple[WayOut, ...]


class Report(Struct, frozen=True):
    """Everything that the page says; models keep the order of llm.toml.

    ``pairs`` is None and ``swaps`` are missing where there are too many models to tell each.
    ``states_in_all`` counts those that the plan has, ``complete`` whether every set is told.
    """

    host: str
    profile: str
    source: str
    backend: str
    os: str
    build: int
    engine: str
    engine_words: str
    complete: bool
    override: str
    fits: bool
    disk_bandwidth_bytes: int
    pools: tuple[PoolFacts, ...]
    models: tuple[ModelFacts, ...]
    states: tuple[StateFacts, ...]
    states_in_all: int
    pairs: tuple[ModelPair, ...] | None
    contexts: tuple[Contexts, ...]
    routes: tuple[NameRoute, ...]
    doors: tuple[ClientDoor, ...]
    refusals: tuple[Refusal, ...]
    steps: tuple[StepBack, ...]
    resting: str

"""What an engine is: one row of what differs, and what it is told of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct, field

from llmgen.config.tables.base import Table
from llmgen.engines.memory import Claim, Room, Stated, stated
from llmgen.facts.checkpoint_model import CheckpointFacts

TEXT_PATHS: Final = ("/v1/chat/completions", "/v1/completions")


class Listen(Struct, frozen=True):
    """Where the process listens; ``port`` may be a macro of llama-swap."""

    host: str
    port: str


class Served(Struct, frozen=True):
    """One model as its engine sees it.

    ``model`` is an absolute path, or a repository of the Hub. ``devices`` are those that llm.toml
    names (``gpu0`` …). ``keys`` are the engine's keys that are set, with their values; ``files``
    the absolute paths of those that name files. ``memory`` is what llm.toml declares, ``measured``
    what `llmgen measure` saw, in bytes by device; ``checkpoint`` are the locked facts of its
    safetensors.
    """

    name: str
    names: tuple[str, ...]
    role: str
    serves: tuple[str, ...]
    program: str
    model: str = ""
    revision: str = ""
    devices: tuple[str, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    extra_args: tuple[str, ...] = ()
    memory: Stated = None
    measured: Mapping[str, int] = field(default_factory=dict)
    checkpoint: CheckpointFacts | None = None

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - as the key's table says
        """The value of one of the engine's own keys."""
        return self.keys.get(key, default)


CommandLine: TypeAlias = Callable[[Served, Listen], Iterable[str]]


def no_words(served: Served, listen: Listen) -> Iterable[str]:
    """llama-server's are made of its planned settings, elsewhere."""
    del served, listen
    return ()


def stated_claims(served: Served, room: Room) -> tuple[Claim, ...]:
    """What llm.toml declares, else what was measured."""
    return stated(served.memory, served.measured, room)


def stated_devices(served: Served, room: Room) -> tuple[str, ...]:
    """The named ones, else those whose memory is stated."""
    known = served.memory if isinstance(served.memory, Mapping) else served.measured
    return served.devices or tuple(key for key in room.devices if key in known)


def told_context(served: Served) -> int:
    """What llm.toml tells clients; 0 where it does not."""
    return int(served.get("ctx_size", 0))


def told_slots(served: Served) -> int:
    """What llm.toml tells clients; one request at a time where it does not."""
    return int(served.get("parallel", 1))


def never(served: Served) -> bool:
    """Tools are not called."""
    del served
    return False


class Engine(Struct, frozen=True):
    """One program that serves models, as a row of what differs.

    ``keys`` are all keys of [models.NAME] that it knows beside those of every model; ``options``
    is the table of those that no other has. ``files`` are keys that name files below [paths]
    models. ``roles`` is what it may be asked for, the usual one first. ``health`` is the path that
    answers 200 when it is ready. ``paths`` are those that it serves (none: all of its roles),
    ``moved`` its own path for a kind of endpoint. ``upstream`` is the only name that it answers
    to; one that ``insists`` answers to the names that it was started with. ``key_variable`` is the
    variable in which it takes [services] api_key. ``start_seconds`` is the least time that a start
    is waited for. ``is_llama`` is planned from GGUF headers, what ``reads_checkpoints`` from
    those of safetensors. A model without a source (`model`, `hf_repo`, or a key of
    ``other_sources``) is nothing to an engine, unless ``needs_source`` says otherwise. One that
    ``has_metrics`` tells Prometheus of itself at `/metrics`, without being asked to and without a
    key; ``running`` are the gauges there of requests that it has begun.
    """

    name: str
    summary: str
    program: str
    options: type[Table]
    keys: frozenset[str]
    roles: tuple[str, ...]
    health: str = "/health"
    paths: tuple[str, ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    upstream: str = ""
    insists: bool = False
    key_variable: str = ""
    start_seconds: int = 120
    container_args: tuple[str, ...] = ()
    container_program: str = ""
    is_llama: bool = False
    reads_checkpoints: bool = False
    needs_source: bool = True
    other_sources: tuple[str, ...] = ()
    picks_devices: bool = True
    words: CommandLine = no_words
    claims: Callable[[Served, Room], tuple[Claim, ...]] = stated_claims
    devices: Callable[[Served, Room], tuple[str, ...]] = stated_devices
    context: Callable[[Served], int] = told_context
    slots: Callable[[Served], int] = told_slots
    calls_tools: Callable[[Served], bool] = never
    has_metrics: bool = False
    running: tuple[str, ...] = ()


def flags(served: Served, table: Mapping[str, str]) -> Iterator[str]:
    """The keys of ``table`` that are set, as options with their values; false is not written."""
    for key, flag in table.items():
        value = served.files.get(key, served.get(key))
        match value:
            case None | False:
                continue
            case True:
                yield flag
            case tuple() | list():
                yield flag
                yield from map(str, value)
            case _:
                yield flag
                yield str(value)

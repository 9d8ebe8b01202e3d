"""What is served: llm.toml joined with the locked facts, every reference resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct, field

from llmgen.budget.settings import ServerSettings
from llmgen.config.config import Config
from llmgen.config.editions import EDITIONS
from llmgen.config.names import small
from llmgen.config.tables.base import Secret
from llmgen.config.tables.gateway import External
from llmgen.config.tables.models import Lora, ServerOptions, Variant
from llmgen.config.tables.sampling import Sampling
from llmgen.config.tables.spares import Spare
from llmgen.engines.base import Engine, Served
from llmgen.engines.container import ContainerTable
from llmgen.engines.registry import USUAL
from llmgen.engines.roles import Role
from llmgen.errors import Diagnostic
from llmgen.facts.gguf_facts import GgufFacts, ModelRef
from llmgen.facts.lock_model import Measurements, Run
from llmgen.layout import Layout
from llmgen.machine import Machine


class Keep(StrEnum):
    """When a model is in memory."""

    ALWAYS = "always"
    ON_DEMAND = "on_demand"


class Open(Struct, frozen=True):
    """What llm.toml leaves to the planner; the model's ``settings`` hold the first choice."""

    ctx_size: bool = False
    n_gpu_layers: bool = False
    n_cpu_moe: bool = False
    device: bool = False
    tensor_split: bool = False
    cache_type_k: tuple[str, ...] = ()
    cache_type_v: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is open."""
        return any(getattr(self, name) for name in self.__struct_fields__)


class Model(Struct, frozen=True):
    """One served model: facts, settings, and what every target wants to know about it.

    ``settings`` are the memory options, ``options`` all server options with defaults filled in;
    ``copies`` are its replicas on this host that llmgen does not start, taken to be like its own
    server; ``measured`` are bytes that ``verify --record`` saw, by the digest of the settings.
    Paths are absolute on the target machine. What another engine than llama-server serves has
    ``served`` instead of facts and options.
    """

    name: str
    title: str
    description: str
    role: Role
    host: str
    ref: ModelRef
    facts: GgufFacts
    path: PurePosixPath
    settings: ServerSettings
    open: Open
    options: ServerOptions
    sampling: Sampling
    keep: Keep
    pin: bool = False
    preload: bool = False
    default: bool = False
    priority: int = 0
    ttl_seconds: int = 0
    unlisted: bool = False
    concurrency_limit: int = 0
    port: int = 0
    aliases: tuple[str, ...] = ()
    variants: Mapping[str, Variant] = field(default_factory=dict)
    mmproj: GgufFacts | None = None
    mmproj_path: PurePosixPath | None = None
    draft: GgufFacts | None = None
    draft_path: PurePosixPath | None = None
    spec_draft_n_min: int | None = None
    lora: tuple[Lora, ...] = ()
    adapters: tuple[GgufFacts, ...] = ()
    environment: Mapping[str, str | Secret] = field(default_factory=dict)
    extra_args: tuple[str, ...] = ()
    llama_swap: Mapping[str, Any] = field(default_factory=dict)
    fallbacks: tuple[str, ...] = ()
    context_window_fallbacks: tuple[str, ...] = ()
    replicas: tuple[str, ...] = ()
    failover: tuple[Spare, ...] = ()
    copies: int = 0
    measured: Measurements = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    engine: Engine = USUAL
    served: Served | None = None
    container: ContainerTable | None = None
    program: str = ""

    @property
    def is_llama(self) -> bool:
        """Whether it is a GGUF file under llama-server's options, planned to the byte."""
        return self.engine.is_llama

    @property
    def is_plain(self) -> bool:
        """Whether its process is llama-server itself, without a container around it."""
        return self.is_llama and self.container is None

    @property
    def serves(self) -> tuple[str, ...]:
        """Every role that it may be asked in, the usual first."""
        return self.served.serves if self.served is not None else (self.role,)

    @property
    def calls_tools(self) -> bool:
        """Whether it may be asked with tools, which the server takes with jinja alone."""
        if self.served is not None:
            return self.engine.calls_tools(self.served)
        return self.role in ("chat", "vision") and self.options.jinja is not False

    @property
    def all_facts(self) -> tuple[GgufFacts, ...]:
        """Facts of every file that the server opens, the model's own first; none of other kinds."""
        if not self.is_llama:
            return ()
        beside = (item for item in (self.mmproj, self.draft) if item is not None)
        return (self.facts, *beside, *self.adapters)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that clients may send, the model's own first."""
        variants = (
            name for key, variant in self.variants.items() for name in (key, *variant.aliases)
        )
        return (self.name, *self.aliases, *variants)


class Contained(Struct, frozen=True):
    """The machine around the containers: its ``layout``, and what it lends them.

    ``files`` is the folder with the configuration of each service, ``folders`` are those with model
    files by their place within, ``images`` the images of models that have one of their own,
    ``templates`` the files of chat templates. ``interceptors`` are what is asked instead of a
    model's server (`HOST:PORT`): it starts the server first where there is none.
    """

    host: Layout
    files: PurePosixPath
    folders: Mapping[PurePosixPath, PurePosixPath]
    images: Mapping[str, ContainerTable] = field(default_factory=dict)
    templates: Mapping[str, PurePosixPath] = field(default_factory=dict)
    interceptors: Mapping[str, str] = field(default_factory=dict)


class Library(Struct, frozen=True):
    """Everything that llm.toml says, with nothing left to look up.

    ``runs`` are what `llmgen measure` saw, by the model's name. Where the services run in
    containers, ``contained`` is given, and ``layout`` and the models' paths are what they see.
    """

    config: Config
    machine: Machine
    layout: Layout
    build: int
    swap_version: int
    models: tuple[Model, ...]
    external: Mapping[str, External] = field(default_factory=dict)
    prefix: str = ""
    runs: Mapping[str, Run] = field(default_factory=dict)
    notes: tuple[Diagnostic, ...] = ()
    contained: Contained | None = None

    @property
    def host(self) -> Layout:
        """Where things are on the machine, whatever the services see of it."""
        return self.contained.host if self.contained else self.layout

    @property
    def files(self) -> PurePosixPath:
        """The folder on the machine with the configuration of each service."""
        return self.contained.files if self.contained else self.layout.config

    @property
    def owner(self) -> tuple[int, int] | None:
        """(UID, GID) of the containers' programs, whose the filled keys are; None without any."""
        if self.contained is None:
            return None
        user, _, group = self.config.containers.user.partition(":")
        return int(user), int(group)

    def spellings(self, names: Iterable[str]) -> tuple[str, ...]:
        """Under which further spellings every program knows these names; none on edition 1."""
        return small(names) if EDITIONS[self.config.edition].small_letters else ()

    def model(self, name: str) -> Model:
        """The model of this name in llm.toml; KeyError when there is none."""
        return {item.name: item for item in self.models}[name]

"""[sync]: what `llmgen sync` adds to llm.toml and takes out of it."""

from typing import Annotated, Final, Literal

from pydantic import Field

from llmgen.config.tables.base import PREFIX, Count, Line, Seconds, Table, Text
from llmgen.config.tables.models import ServerOptions
from llmgen.config.tables.sampling import Sampling
from llmgen.engines.roles import Role

# What the header of a model says that it is made for (`resolve.role`).
SyncRole = Literal["chat", "embedding", "rerank"]
Store = Literal["models", "ollama", "lm_studio", "llama_cpp", "hub"]
SYNC_ROLES: Final[tuple[SyncRole, ...]] = ("chat", "embedding", "rerank")


class SyncOptions(ServerOptions):
    """[sync.options.PATTERN]: keys of the added models whose names match."""

    role: Role | None = None
    """Another role than the header's: a base model is `completion`."""
    enable: bool | None = None
    """False adds the entry without serving it."""
    description: Line | None = None
    """A sentence for people."""
    keep: Literal["always", "on_demand"] | None = None
    """As in [models.NAME]."""
    pin: bool | None = None
    """As in [models.NAME]."""
    preload: bool | None = None
    """As in [models.NAME]."""
    priority: Annotated[Count, Field(ge=-100, le=100)] | None = None
    """As in [models.NAME]."""
    ttl: Seconds | None = None
    """As in [models.NAME]."""
    unlisted: bool | None = None
    """As in [models.NAME]."""
    concurrency_limit: Annotated[Count, Field(ge=1)] | None = None
    """As in [models.NAME]."""
    sampling: Sampling | None = None
    """As in [models.NAME]."""
    extra_args: tuple[Text, ...] | None = None
    """As in [models.NAME]."""


class Sync(Table):
    """[sync]: the rules by which `llmgen sync` adds models, and takes out those that it added."""

    stores: tuple[Store, ...] = ("models", "ollama", "lm_studio")
    """Where models are looked for: [paths] models, Ollama's store, LM Studio's folder, llama.cpp's
    cache, the cache of the Hub. Of a file that is in several the first one counts."""
    folders: tuple[Text, ...] = ()
    """More folders: `~/…`, absolute, or below [paths] models."""
    include: tuple[Text, ...] = ("*",)
    """Patterns of what is added, letter case aside: `*` stands for anything, `/` too. They are held
    against the name in the store, the file's name and the model's name."""
    exclude: tuple[Text, ...] = ()
    """Patterns of what is not."""
    roles: tuple[SyncRole, ...] = SYNC_ROLES
    """Kinds of models that are added, as their headers say."""
    prefix: Annotated[str, Field(pattern=PREFIX)] = ""
    """Stands before the names of added models (`ls/`), and of no others."""
    options: dict[Text, SyncOptions] = Field(default_factory=dict)
    """Keys of added models, by pattern: `[sync.options."*"]`, `[sync.options."*coder*"]`; a role
    (`[sync.options.embedding]`) stands for all of that role. Of two that match the later one wins,
    key by key."""
    remove: bool = True
    """Models that sync added go when their files are gone, or no rule takes them in any longer;
    false: they stay."""
    settle: Seconds = 10
    """A file that changed within this time is still being written, and is left for next time."""
    install: bool = True
    """What changed is installed, where the stack is; false: llm.toml, llm.lock and generated/."""
    interval: Annotated[Seconds, Field(ge=60)] | None = None
    """Time between two runs by a timer, which `llmgen install` puts in place; absent: by hand."""

"""[targets.*]: versions aimed at, and client files wanted."""

from typing import Any, Literal

from pydantic import Field

from llmgen.config.tables.base import Count, EnvironmentName, Table, Url


class SwapTarget(Table):
    """[targets.llama_swap]."""

    version: Count | None = Field(default=None, ge=1)
    """llama-swap's version (its tag's number); absent: the edition's."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """More top-level keys of its config.yaml (`{ store = { path = "/x" } }`)."""


class ClientsTarget(Table):
    """[targets.clients]: files for programs that use the models."""

    base_url: Url | None = None
    """What clients reach; absent: the enabled gateway on loopback."""
    api_key_env: EnvironmentName = "LLM_API_KEY"
    """Environment variable that holds the client's key."""
    formats: tuple[Literal["env", "opencode", "continue", "aider", "zed", "open_webui"], ...] = (
        "env",
        "opencode",
        "continue",
        "aider",
        "zed",
        "open_webui",
    )
    """Which files to write."""


class Targets(Table):
    """[targets.*]: every target is rendered; these set what it aims at."""

    llama_swap: SwapTarget = SwapTarget.model_construct()
    """llama-swap."""
    clients: ClientsTarget = ClientsTarget.model_construct()
    """Client files."""

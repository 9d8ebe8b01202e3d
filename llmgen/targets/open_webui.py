"""What Open WebUI is told of the stack: as a client's file, or as a service of the stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from llmgen.targets.clients import Clients

NAME: Final = "open-webui"
TEXT: Final = ("chat", "vision", "completion")
SECRET_KEY: Final = "WEBUI_SECRET_KEY"  # noqa: S105  a variable, no password
# Its first start makes a database and loads its libraries; a slow disk takes minutes.
START_SECONDS: Final = 300
# What a server without keys is told.
NO_KEY: Final = "none"


class WebSetting(Struct, frozen=True):
    """A variable of Open WebUI: its value, or with ``keys`` the client's key so many times."""

    name: str
    value: str = ""
    keys: int = 0

    def key(self, text: str) -> str:
        """The client's key in its place; empty where it is no key."""
        return ";".join([text] * self.keys)


def settings(clients: Clients) -> Iterator[WebSetting]:
    """What Open WebUI has to know of the stack, as its environment."""
    text = clients.of(*TEXT)
    addresses = [*dict.fromkeys(item.openai for item in text)] or [f"{clients.url}/v1"]
    # It keeps what it was told at its first start in its database otherwise.
    yield WebSetting("ENABLE_PERSISTENT_CONFIG", "false")
    yield WebSetting("ENABLE_OLLAMA_API", "false")
    yield WebSetting("ENABLE_OPENAI_API", "true")
    yield WebSetting("OPENAI_API_BASE_URLS", ";".join(addresses))
    yield WebSetting("OPENAI_API_KEYS", keys=len(addresses))
    if text:
        yield WebSetting("DEFAULT_MODELS", text[0].name)
    for item in clients.of("embedding")[:1]:
        yield WebSetting("RAG_EMBEDDING_ENGINE", "openai")
        yield WebSetting("RAG_EMBEDDING_MODEL", item.name)
        yield WebSetting("RAG_OPENAI_API_BASE_URL", item.openai)
        yield WebSetting("RAG_OPENAI_API_KEY", keys=1)
    for item in clients.of("rerank")[:1]:
        yield WebSetting("ENABLE_RAG_HYBRID_SEARCH", "true")
        yield WebSetting("RAG_RERANKING_ENGINE", "external")
        yield WebSetting("RAG_RERANKING_MODEL", item.name)
        yield WebSetting("RAG_EXTERNAL_RERANKER_URL", f"{item.openai}/rerank")
        yield WebSetting("RAG_EXTERNAL_RERANKER_API_KEY", keys=1)

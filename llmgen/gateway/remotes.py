"""Servers on other machines that have a model too: where they are, and what they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from llmgen.config.config import Config
from llmgen.config.tables.base import Secret
from llmgen.config.tables.gateway import External
from llmgen.config.tables.spares import ShownCertificate, Spare
from llmgen.errors import Diagnostic, KeyPath

# What a gateway tells the next one: another has asked already. Each adds one word.
HOP: Final = "x-llmgen-hop"
# What no name of a secret has.
_OTHER: Final = re.compile(r"[^A-Za-z0-9._:/-]")


class Remote(Struct, frozen=True):
    """One server; ``label`` is its address and path, ``ca`` and ``shown`` are as llm.toml has them.

    ``secret`` is where its key is, by reference; ``swap`` is a llama-swap.
    """

    label: str
    host: str
    port: int
    authority: str
    prefix: str = ""
    tls: bool = False
    secret: Secret | None = None
    swap: bool = False
    ca: str = ""
    shown: ShownCertificate | None = None

    @property
    def key(self) -> str:
        """The name of its key among the secrets; empty when it asks for none."""
        return f"door.{self.label}" if self.secret else ""


def remote(item: Spare | External) -> Remote:
    """A server as its table names it."""
    parts = urlsplit(item.endpoint)
    tls, host = parts.scheme == "https", parts.hostname or ""
    port = parts.port or (443 if tls else 80)
    prefix = parts.path.rstrip("/").removesuffix("/v1")
    return Remote(
        label=_OTHER.sub("-", f"{host}:{port}{prefix}"),
        host=host,
        port=port,
        authority=parts.netloc.rpartition("@")[2],
        prefix=prefix,
        tls=tls,
        secret=item.api_key,
        swap=item.server == "llama_swap",
        ca=item.ca or "",
        shown=item.client_tls,
    )


def servers(item: External) -> tuple[Spare | External, ...]:
    """The servers of an external model, in the order in which they are asked."""
    return (item, *item.failover)


def spares(config: Config) -> Iterator[Spare | External]:
    """Every server elsewhere that llm.toml names."""
    for item in config.external.values():
        yield from servers(item)
    for table in config.models.values():
        yield from table.failover if table.enable else ()


def failing_over(config: Config) -> Iterator[tuple[KeyPath, tuple[Spare | External, ...]]]:
    """The servers of each model that has spare ones, and where llm.toml names them."""
    for name, table in config.models.items():
        if table.enable and table.failover:
            yield ("models", name, "failover"), table.failover
    for name, item in config.external.items():
        if item.failover:
            yield ("external", name, "failover"), servers(item)


def findings(config: Config) -> Iterator[Diagnostic]:
    """Servers elsewhere that are known in two ways, or only Envoy could speak to."""
    yield from _two_ways(config)
    gateway = config.gateway
    if gateway.envoy.enable and not gateway.litellm.enable:
        return
    for key, item in _named(config):
        for told in ("ca", "client_tls"):
            if getattr(item, told) is not None:
                who = "LiteLLM" if gateway.litellm.enable else "no gateway"
                yield Diagnostic(
                    "gateway.only-envoy",
                    f"`{told}` is for Envoy, and {who} would ask this server without it",
                    (*key, told),
                    hint="`enable = true` in [gateway.envoy], and no [gateway.litellm]; or an "
                    "authority that the system trusts, and no `client_ca` there",
                )


def _named(config: Config) -> Iterator[tuple[KeyPath, Spare | External]]:
    for name, item in config.external.items():
        yield ("external", name), item
    for kind, tables in (("models", config.models), ("external", config.external)):
        for name, table in tables.items():
            yield from (
                ((kind, name, "failover", at), one) for at, one in enumerate(table.failover)
            )


def _two_ways(config: Config) -> Iterator[Diagnostic]:
    """All models go to a server by one cluster, with one key."""
    known: dict[str, Remote] = {}
    for key, servers in failing_over(config):
        for server in map(remote, servers):
            if known.setdefault(server.label, server) != server:
                yield Diagnostic(
                    "gateway.two-ways",
                    f"the server at `{server.label}` has another key, certificate or kind as well",
                    key,
                    hint="what is said of it is the same everywhere it stands",
                )


def unlike(found: Iterable[Remote]) -> tuple[Remote, ...]:
    """Each server once, in order."""
    return tuple({item.label: item for item in found}.values())

"""What can be reached from other machines, and whether that is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from llmgen.config.config import Config
from llmgen.engines.loaders import table_of
from llmgen.errors import Diagnostic, KeyPath, Severity
from llmgen.gateway.addresses import bare, loopback, numeric

# net.ipv4.ip_unprivileged_port_start: the first port that everybody may listen on.
FREE_PORT: Final = 1024


class Listener(Struct, frozen=True):
    """An address that a service listens on; ``keyed`` when clients need a key."""

    service: str
    address: str
    port: int
    keyed: bool
    key: KeyPath
    remedy: str

    @property
    def exposed(self) -> bool:
        """Whether other machines reach it."""
        return not loopback(self.address)


def listeners(config: Config) -> tuple[Listener, ...]:
    """Every enabled service's own address."""
    return tuple(_listeners(config))


def exposure(config: Config) -> list[Diagnostic]:
    """A diagnostic for each address beyond loopback that anyone could use without a key."""
    named = [_named(item) for item in listeners(config) if item.service == "envoy"]
    exposed = [item for item in listeners(config) if item.exposed]
    open_to_all = [_refusal(item) for item in exposed if not item.keyed]
    around = [_around(item) for item in exposed if item.keyed and _behind(config, item)]
    return [item for item in named if item] + open_to_all + around


def low_ports(config: Config) -> Iterator[Diagnostic]:
    """A warning for each port that a user's own service may not listen on."""
    if config.services.scope == "system":
        return
    for who, port, key in own_ports(config):
        if port < FREE_PORT:
            yield Diagnostic(
                "gateway.low-port",
                f"`{who}` of a user may not listen on port {port}: it is below {FREE_PORT}",
                key,
                hint='`scope = "system"` in [services], or another port',
                severity=Severity.WARNING,
            )


def own_ports(config: Config) -> Iterator[tuple[str, int, KeyPath]]:
    """Who listens, on which port, and the key that says so."""
    for item in {item.service: item for item in listeners(config)}.values():
        yield item.service, item.port, (*item.key[: item.key.index("listen")], "port")
    yield "llama-server", config.services.start_port, ("services", "start_port")
    for name, table in config.models.items():
        if table.enable and table.port:
            yield name, table.port, ("models", name, "port")


def unnamed(config: Config) -> Iterator[Diagnostic]:
    """A warning when clients are sent to an address for which no certificate is likely to be."""
    envoy = config.gateway.envoy
    if envoy.enable and envoy.tls and config.targets.clients.base_url is None:
        yield Diagnostic(
            "gateway.no-name",
            "the client files would name Envoy by its address, and a certificate is for a name",
            ("gateway", "envoy", "tls"),
            hint=f'`base_url = "https://NAME:{envoy.port}"` in [targets.clients]',
            severity=Severity.WARNING,
        )


def loops(config: Config) -> Iterator[Diagnostic]:
    """An error for each external model that is this stack itself: its requests would go round."""
    listening = listeners(config)
    own = {item.port: item.service for item in listening}
    reached = {(bare(item.address), item.port) for item in listening}
    for name, key, endpoint in _endpoints(config):
        host, port = _host_and_port(endpoint)
        if port in own and host and (loopback(host) or (host, port) in reached):
            yield Diagnostic(
                "gateway.loop",
                f"`{name}` is said to be at {own[port]} of this very stack",
                key,
                hint="name the address of the other server; models of this one are in [models]",
            )


# Many models are behind few servers.
@lru_cache(maxsize=4096)
def _host_and_port(endpoint: str) -> tuple[str | None, int | None]:
    parts = urlsplit(endpoint)
    return parts.hostname, parts.port


def _endpoints(config: Config) -> Iterator[tuple[str, KeyPath, str]]:
    """Where other servers are said to be: of which model, at which key."""
    for name, table in config.external.items():
        yield name, ("external", name, "endpoint"), table.endpoint
    for kind, tables in (("models", config.models), ("external", config.external)):
        for name, item in tables.items():
            for at, server in enumerate(item.failover):
                yield name, (kind, name, "failover", at, "endpoint"), server.endpoint


def _listeners(config: Config) -> Iterator[Listener]:
    gateway, services = config.gateway, config.services
    if gateway.envoy.enable:
        key: KeyPath = ("gateway", "envoy", "listen")
        keyed, remedy = bool(gateway.envoy.api_keys), "`api_keys` in [gateway.envoy]"
        for index, address in enumerate(gateway.envoy.listen):
            yield Listener("envoy", address, gateway.envoy.port, keyed, (*key, index), remedy)
    if gateway.litellm.enable:
        lite = gateway.litellm
        remedy = "`master_key` in [gateway.litellm]"
        keyed = lite.master_key is not None
        yield Listener(
            "litellm", lite.listen, lite.port, keyed, ("gateway", "litellm", "listen"), remedy
        )
    if (table := table_of(services)) is not None:
        name = services.on_demand
        remedy = f"`api_keys` in [services.{name}]"
        place = ("services", name, "listen")
        yield Listener(name, table.listen, table.port, bool(table.api_keys), place, remedy)
    page = config.apps.open_webui
    if page.enable:
        # Its visitors have accounts.
        at: KeyPath = ("apps", "open_webui", "listen")
        yield Listener("open_webui", page.listen, page.port, keyed=True, key=at, remedy="")


def _named(item: Listener) -> Diagnostic | None:
    if item.address == "localhost" or numeric(item.address):
        return None
    return Diagnostic(
        "gateway.no-address",
        f"Envoy listens on addresses, and `{item.address}` is none",
        item.key,
        hint='write the address itself; "0.0.0.0" and "::" are all of this machine',
    )


def _refusal(item: Listener) -> Diagnostic:
    return Diagnostic(
        "gateway.exposed-without-keys",
        f"`{item.service}` would listen on `{item.address}`, open to everyone without a key",
        item.key,
        hint=f'set {item.remedy}, or listen on "127.0.0.1"',
    )


def _behind(config: Config, item: Listener) -> bool:
    gateway = config.gateway.envoy.enable or config.gateway.litellm.enable
    return gateway and item.service in ("llama_swap", "router")


def _around(item: Listener) -> Diagnostic:
    return Diagnostic(
        "gateway.way-around",
        f"`{item.service}` would listen on `{item.address}`, past the gateway in front of it",
        item.key,
        hint='listen on "127.0.0.1"; clients reach its models through the gateway',
    )

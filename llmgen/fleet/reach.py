"""How hosts reach each other: who is asked for a model, in which order, and what it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmgen.errors import Diagnostic
from llmgen.fleet import sleeping_hosts
from llmgen.fleet.ground import FleetGround
from llmgen.fleet.project import ModelSeats, ServerTable
from llmgen.gateway.addresses import in_url


def defaults(ground: FleetGround, host: str, seats: ModelSeats) -> set[str]:
    """The roles for which one of the host's own models is marked as the default."""
    models, own = ground.config.models, ground.config.hosts[host].models
    mine = (name for name, hosts in seats.items() if host in hosts)

    def marked(name: str) -> bool:
        # The host's own table of a model says only what is other there.
        other = own.get(name)
        told = other is not None and "default" in other.model_fields_set
        return other.default if other is not None and told else models[name].default

    return {models[name].role for name in mine if marked(name)}


def kind_of_way(ground: FleetGround, host: str) -> object:
    """What hosts have in common that reach models elsewhere in the same way."""
    gateway, shown = ground.gateways[host], ground.config.hosts[host].client_tls
    asked = shown is not None and any(way.asks_certificate for way in ground.doors.values())
    return (gateway.envoy.enable or gateway.litellm.enable, shown if asked else None)


def spares(ground: FleetGround, host: str, seats: ModelSeats) -> dict[str, tuple[ServerTable, ...]]:
    """The other hosts with the models of ``host``, where it may turn to some."""
    mine = (name for name, hosts in seats.items() if host in hosts)
    found = {name: tuple(servers(ground, host, seats[name])) for name in mine}
    return {name: others for name, others in found.items() if others}


def servers(ground: FleetGround, host: str, seats: tuple[str, ...]) -> Iterator[ServerTable]:
    """How ``host`` reaches the others with a model, in order; one alone without a gateway."""
    others = [seat for seat in seats if seat != host]
    gateway = ground.gateways[host]
    if not (gateway.envoy.enable or gateway.litellm.enable):
        others = [] if host in seats else others[:1]
    elif host in seats and ground.doors[host].kind == "litellm":
        # LiteLLM asks whom it is told to, whoever asked it: two of them would ask each other.
        others = [seat for seat in others if ground.doors[seat].kind != "litellm"]
    for seat in others:
        yield _server(ground, host, seat)


def _server(ground: FleetGround, host: str, seat: str) -> ServerTable:
    table, way = ground.config.hosts[seat], ground.doors[seat]
    found: ServerTable = {"endpoint": way.url(table.address)}
    if way.kind == "llama_swap":
        found["server"] = "llama_swap"
    if table.key is not None:
        found["api_key"] = table.key.model_dump(exclude_none=True)
    if way.tls and table.ca is not None:
        found["ca"] = table.ca
    shown = ground.config.hosts[host].client_tls
    if way.asks_certificate and shown is not None:
        found["client_tls"] = shown.model_dump()
    return found


def unreached(ground: FleetGround, seats: ModelSeats) -> Iterator[Diagnostic]:
    """Hosts with models for others, and nothing that the others may talk to."""
    config = ground.config
    yield from sleeping_hosts.findings(config, ground.doors)
    serving = dict.fromkeys(host for hosts in seats.values() for host in hosts)
    yield from _at_one_address(ground, serving)
    for name in serving if len(config.hosts) > 1 else ():
        host, way = config.hosts[name], ground.doors[name]
        if "address" not in host.model_fields_set:
            yield Diagnostic(
                "hosts.no-address",
                f"`{name}` serves models, and the other hosts do not know its address",
                ("hosts", name),
                hint='`address = "ADDRESS"` in its table; "127.0.0.1" for a machine of several',
            )
        elif way.kind == "":
            yield Diagnostic(
                "hosts.no-door",
                f"the models of `{name}` are reached by nobody else: each of its servers listens "
                "on loopback",
                ("hosts", name),
                hint=f'`on_demand = "llama_swap"` in [hosts.{name}.services], or '
                f"[hosts.{name}.gateway.envoy]",
            )


def _at_one_address(ground: FleetGround, serving: Iterable[str]) -> Iterator[Diagnostic]:
    """Hosts whose doors are one: who asks the other would ask itself."""
    hosts = ground.config.hosts
    reached = (name for name, table in hosts.items() if "address" in table.model_fields_set)
    first: dict[tuple[str, int], str] = {}
    for name in dict.fromkeys((*serving, *reached)):
        at = hosts[name].address, ground.doors[name].port
        other = first.setdefault(at, name)
        if other != name and ground.doors[name].kind:
            yield Diagnostic(
                "hosts.same-door",
                f"`{name}` and `{other}` would both be reached at {in_url(at[0])}:{at[1]}",
                ("hosts", name, "address"),
                hint="give each its own address, or its gateway or llama-swap another port",
            )


def untrusted(ground: FleetGround, seats: ModelSeats) -> Iterator[Diagnostic]:
    """Hosts that could not show or check the certificates that another one is reached by."""
    hosts_of = ground.config.hosts.items()
    routing = [host for host, table in hosts_of if table.routes and ground.doors[host].routes]
    asked: dict[tuple[str, str], str] = {}
    for name, hosts in seats.items():
        for host in routing:
            for seat in hosts:
                if seat != host and ground.doors[seat].tls:
                    asked.setdefault((host, seat), name)
    for (host, seat), name in asked.items():
        yield from _between(ground, host, seat, name)


def _between(ground: FleetGround, host: str, seat: str, name: str) -> Iterator[Diagnostic]:
    gateway, table = ground.gateways[host], ground.config.hosts[host]
    asks, ca = ground.doors[seat].asks_certificate, ground.config.hosts[seat].ca
    if (asks or ca) and (gateway.litellm.enable or not gateway.envoy.enable):
        what = "asks for a certificate" if asks else "has a certificate of its own authority"
        who = "LiteLLM of" if gateway.litellm.enable else "without Envoy"
        yield Diagnostic(
            "hosts.no-envoy",
            f"{who} `{host}` cannot reach `{name}` on `{seat}`, which {what}",
            ("hosts", host),
            hint=f"`enable = true` in [hosts.{host}.gateway.envoy], and no LiteLLM there; or no "
            + ("`client_ca`" if asks else "`ca`")
            + f" for `{seat}`",
        )
    elif asks and table.client_tls is None:
        yield Diagnostic(
            "hosts.no-certificate",
            f"`{seat}` asks who wants `{name}` for a certificate, and `{host}` has none to show",
            ("hosts", host),
            hint=f'`client_tls = {{ cert = "PATH", key = "PATH" }}` in [hosts.{host}]',
        )

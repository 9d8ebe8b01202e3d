"""Ports of a plan: those that other machines may reach, and those that they may not."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from llmgen.config.config import Config
from llmgen.engines.loaders import loader_of
from llmgen.errors import Diagnostic, InputError
from llmgen.fleet.door import door
from llmgen.gateway.addresses import bare, loopback, numeric, wildcard
from llmgen.gateway.exposure import Listener, listeners
from llmgen.library import Keep
from llmgen.plan.plan import Plan
from llmgen.targets.containers.published_ports import published


class Opening(Struct, frozen=True):
    """A port that is open on an address, to a source; "" is every one."""

    service: str
    address: str
    port: int
    source: str = ""

    @property
    def family(self) -> str:
        """`4` or `6`, where an address says which; empty for both."""
        told = self.source or self.address
        return str(ipaddress.ip_address(told).version) if told else ""


class Ports(Struct, frozen=True):
    """What is open, and what is refused to all others."""

    open: tuple[Opening, ...]
    closed: tuple[int, ...]


def ports(plan: Plan) -> Ports:
    """The ports of everything that the plan starts."""
    config = plan.library.config
    native = config.services.runtime == "native"
    found = tuple(dict.fromkeys(_open(config) if native else _published(plan)))
    numbers = {item.port for item in found if not item.source}
    # What is not published is on no port of the machine.
    inside = _inside(plan) if native else (item.port for item in published(plan))
    return Ports(found, tuple(sorted(set(inside) - numbers)))


def _open(config: Config) -> Iterator[Opening]:
    for item in listeners(config):
        if item.exposed:
            if not numeric(item.address):
                raise InputError(_named(item))
            # "::" takes both families where the system maps them (bindv6only=0, the default).
            address = "" if wildcard(item.address) else bare(item.address)
            yield from _to_peers(Opening(item.service, address, item.port), config)
    for name, lent in config.rpc.lend.items():
        if lent.peer is not None and not loopback(lent.listen):
            if not numeric(lent.peer):
                raise InputError(_lent_to(name, lent.peer))
            # RPC has no password: nobody but its one client is let in.
            yield Opening(f"rpc-{name}", bare(lent.listen), lent.port, bare(lent.peer))


def _lent_to(name: str, peer: str) -> Diagnostic:
    return Diagnostic(
        "firewall.name",
        f"the RPC server `{name}` is for the name `{peer}`, and rules are for addresses",
        ("rpc", "lend", name, "peer"),
        hint="write the address itself",
    )


def _published(plan: Plan) -> Iterator[Opening]:
    """In containers only the front of the stack is on the machine at all."""
    for item in published(plan):
        if item.exposed:
            address = "" if wildcard(item.address) else item.address
            yield from _to_peers(Opening(item.service, address, item.port), plan.library.config)


def _to_peers(item: Opening, config: Config) -> Iterator[Opening]:
    """The same for each of the other hosts, where they alone are let in."""
    if not config.services.peers or item.port != door(config).port:
        yield item
        return
    for number, peer in enumerate(config.services.peers):
        if not numeric(peer):
            raise InputError(_peer(number, peer))
        found = replace(item, source=bare(peer))
        # A packet has one family.
        if not item.address or replace(found, source="").family == found.family:
            yield found


def _peer(number: int, peer: str) -> Diagnostic:
    return Diagnostic(
        "firewall.name",
        f"the other host `{peer}` is a name, and rules are for addresses",
        ("services", "peers", number),
        hint="write the address itself",
    )


def _named(item: Listener) -> Diagnostic:
    return Diagnostic(
        "firewall.name",
        f"`{item.service}` listens on the name `{item.address}`, and rules are for addresses",
        item.key,
        hint="write the address itself",
    )


def _inside(plan: Plan) -> Iterator[int]:
    config = plan.library.config
    yield from (item.port for item in listeners(config))
    yield from (item.port for item in plan.placements if item.port)
    # Beyond loopback it is for its peer alone, wherever that is said.
    yield from (
        item.port for item in config.rpc.lend.values() if loopback(item.listen) or item.peer
    )
    if config.gateway.envoy.enable:
        yield config.gateway.envoy.admin_port
        if config.gateway.envoy.metrics_port is not None:
            yield config.gateway.envoy.metrics_port
    if loader_of(config.services).starts_any:
        count = sum(item.keep is Keep.ON_DEMAND for item in plan.placements)
        first = config.services.llama_swap.start_port
        yield from range(first, first + count)

"""How the other hosts reach one: its address, its port, its key, as their files say it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from llmgen.config.tables.base import Address
from llmgen.errors import Diagnostic
from llmgen.gateway.addresses import in_url, loopback
from llmgen.importing.hosts.stack import HostStack
from llmgen.importing.llama_swap.peers import ImportedPeer
from llmgen.importing.parts import Item, Key, fault, lost

# Port of llama-swap and of the router, where llm.toml says nothing.
_PORT: Final = 8080
_SCHEMES: Final = {"http": 80, "https": 443}


class UrlPlace(NamedTuple):
    """What a URL says of a machine."""

    address: str
    port: int
    scheme: str
    path: str

    @property
    def text(self) -> str:
        """As a URL writes it."""
        return f"{in_url(self.address)}:{self.port}"


def access(stack: HostStack, callers: Sequence[tuple[str, ImportedPeer]]) -> Iterator[Item]:
    """Keys of [hosts.NAME], and what is new or not clear; ``callers`` are hosts and their peer."""
    table = ("hosts", stack.name)
    places = [(who, place) for who, peer in callers if (place := place_of(peer.endpoint))]
    # A machine that somebody reaches over a network is not the caller's own.
    places.sort(key=lambda item: loopback(item[1].address))
    if not places:
        yield Key(table, ("address",), stack.name)
        yield fault(
            "host-address",
            f"no file says how the other hosts reach `{stack.name}`: its name stands for its "
            "address",
            f"write its address into [hosts.{stack.name}]",
        )
    else:
        yield Key(table, ("address",), places[0][1].address)
        yield from _port(stack, places[0][1])
        yield from _others(stack, places)
    if not places or not loopback(places[0][1].address):
        yield from _key(stack, callers)


def place_of(endpoint: str) -> UrlPlace | None:
    """The parts of a URL; nothing where it is none that an address could be made of."""
    try:
        parts = urlsplit(endpoint)
        found = parts.hostname or ""
        port = parts.port or _SCHEMES[parts.scheme]
        TypeAdapter(Address).validate_python(found)
    except (ValueError, KeyError, ValidationError):
        return None
    return UrlPlace(found, port, parts.scheme, parts.path.strip("/"))


def _port(stack: HostStack, place: UrlPlace) -> Iterator[Item]:
    tables = stack.part.tables
    gateway = any(path[0] == "gateway" for path in tables)
    routed = tables.get(("services",), {}).get("on_demand") == "router"
    engine = "router" if routed else "llama_swap"
    if not gateway and tables.get(("services", engine), {}).get("port", _PORT) != place.port:
        yield Key(("hosts", stack.name, "services", engine), ("port",), place.port)
    if place.scheme == "https":
        yield fault(
            "host-tls",
            f"`{stack.name}` is reached by https, and what llmgen puts there speaks http",
            f"`tls` in [hosts.{stack.name}.gateway.envoy] has certificates by reference",
        )
    if place.path:
        yield lost(
            f"`/{place.path}` in the address of `{stack.name}`", "hosts reach each other directly"
        )


def _others(stack: HostStack, places: Sequence[tuple[str, UrlPlace]]) -> Iterator[Diagnostic]:
    first = places[0][1]
    for who, place in places[1:]:
        if place.text != first.text:
            yield lost(
                f"`{place.text}`, as `{who}` reaches `{stack.name}`,",
                f"a host has one address, and `{first.text}` is its first",
            )


def _key(stack: HostStack, callers: Sequence[tuple[str, ImportedPeer]]) -> Iterator[Item]:
    """The variable with the key that its callers send; a new one where they send none."""
    named = list(dict.fromkeys(peer.key for _, peer in callers if peer.key))
    variable = named[0] if named else _variable(stack.name)
    yield Key(("hosts", stack.name), ("key",), {"env": variable})
    if not named:
        yield fault(
            "host-key",
            f"nobody sends a key to `{stack.name}`, and hosts of llm.toml ask for one: it is read "
            f"from the variable `{variable}`",
            "set it on every host",
        )
    for other in named[1:]:
        yield lost(f"`{other}`, a key for `{stack.name}`,", f"all hosts send it `{variable}`")


def _variable(host: str) -> str:
    found = re.sub(r"[^A-Z0-9]+", "_", host.upper())
    return f"{'HOST_' if found[:1].isdigit() else ''}{found}_KEY"


def callers_of(
    stacks: Sequence[HostStack], found: Mapping[tuple[int, str], int], index: int
) -> list[tuple[str, ImportedPeer]]:
    """Who calls a stack, and as what."""
    return [
        (stack.name, peer)
        for at, stack in enumerate(stacks)
        for peer in stack.peers
        if found.get((at, peer.id)) == index
    ]

"""Addresses that services listen on: who reaches them, and how a URL writes them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from llmgen.library import Library

# Every address of the machine, and the one of them that is always there.
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound

LOOPBACK: Final = "127.0.0.1"
# Every address of a container: the network of the stack is all that reaches them.
ANY: Final = "0.0.0.0"  # noqa: S104 - within containers
# A label of a domain name (RFC 1123), which a container's name on its network has to be.
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def listens(library: Library, told: str = LOOPBACK) -> str:
    """The address that a service of its own listens on; ``told`` is llm.toml's."""
    return ANY if library.contained else told


def at(library: Library, service: str, told: Sequence[str] = (LOOPBACK,)) -> str:
    """The host under which the other services reach one, which listens on ``told``."""
    return host_name(service) if library.contained else nearest(told)


def host_name(service: str) -> str:
    """A service's name on the network of the containers; differs for services that differ."""
    if _LABEL.fullmatch(service):
        return service
    plain = re.sub(r"[^a-z0-9]+", "-", service.lower()).strip("-")
    return f"{plain[:50].rstrip('-')}-{sha256(service.encode()).hexdigest()[:8]}"


def bare(address: str) -> str:
    """The address without the brackets of a URL, as ``--host`` options take it."""
    return address.strip("[]")


def in_url(address: str) -> str:
    """The address as a URL writes it, and ``HOST:PORT``: IPv6 in brackets."""
    found = bare(address)
    return f"[{found}]" if ":" in found else found


def nearest(addresses: Sequence[str]) -> str:
    """Which of a service's addresses a program on the same machine uses, without brackets."""
    found = bare(next(filter(loopback, addresses), addresses[0]))
    return _WILDCARDS.get(found, found)


def wildcard(address: str) -> bool:
    """Whether it stands for every address of the machine."""
    return bare(address) in _WILDCARDS


@lru_cache(maxsize=4096)
def loopback(address: str) -> bool:
    """Whether only this machine reaches the address; a name other than localhost is not trusted."""
    if address == "localhost":
        return True
    return numeric(address) and ipaddress.ip_address(bare(address)).is_loopback


def numeric(address: str) -> bool:
    """Whether it is an address, and no name that has to be looked up."""
    try:
        ipaddress.ip_address(bare(address))
    except ValueError:
        return False
    return True

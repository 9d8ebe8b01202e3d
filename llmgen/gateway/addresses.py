"""Addresses that services listen on: who reaches them, and how a URL writes them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

# Every address of the machine, and the one of them that is always there.
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


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

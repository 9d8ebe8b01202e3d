"""Where `ssh` goes: a user, a host and a port that can be nothing else to it, nor to a shell."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from msgspec import Struct

from llmgen.config.tables.base import SSH_HOST, SSH_USER

EXPECTED: Final = "HOST or USER@HOST, where HOST is a name of ~/.ssh/config, of DNS, or an address"
_USER: Final = re.compile(SSH_USER, re.ASCII)
_HOST: Final = re.compile(SSH_HOST, re.ASCII)
_SCOPE: Final = re.compile(r"[A-Za-z0-9_.-]{1,15}", re.ASCII)
_LAST_PORT: Final = 65535


class Destination(Struct, frozen=True):
    """A host as `ssh` knows it; without ``user`` and ``port`` ~/.ssh/config says them."""

    host: str
    user: str = ""
    port: int | None = None

    def __str__(self) -> str:
        """As it stands on `ssh`'s command line."""
        return f"{self.user}@{self.host}" if self.user else self.host


def destination(text: str, port: int | None = None) -> Destination:
    """Read ``HOST`` or ``USER@HOST``; ValueError says what is expected instead."""
    user, at, host = text.rpartition("@")
    if at and not _USER.fullmatch(user):
        raise ValueError(f"the user before `@` has to be a plain name: {EXPECTED}")
    if not _HOST.fullmatch(host) and not _is_address(host):
        raise ValueError(EXPECTED)
    if port is not None and not 1 <= port <= _LAST_PORT:
        raise ValueError(f"a port is a number from 1 to {_LAST_PORT}")
    return Destination(host, user, port)


def _is_address(text: str) -> bool:
    """Whether it is an IPv6 address, with the name of an interface or without."""
    address, percent, scope = text.partition("%")
    if percent and not _SCOPE.fullmatch(scope):
        return False
    try:
        return ipaddress.ip_address(address).version == 6
    except ValueError:
        return False

"""Rules as words for firewall-cmd: rich rules of the default zone, which refuses all else."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from llmgen.firewall.ports import Opening, Ports

PROGRAM: Final = "firewall-cmd"
_RELOAD: Final = (PROGRAM, "--reload")


def firewalld(found: Ports) -> tuple[tuple[str, ...], ...]:
    """Commands that let other machines in, now and after the next start."""
    return _commands(found, "--add-rich-rule")


def firewalld_undo(found: Ports) -> tuple[tuple[str, ...], ...]:
    """Commands that take them back."""
    return _commands(found, "--remove-rich-rule")


def _commands(found: Ports, what: str) -> tuple[tuple[str, ...], ...]:
    rules = tuple((PROGRAM, "--permanent", f"{what}={_rule(item)}") for item in _several(found))
    return (*rules, _RELOAD) if rules else ()


def _several(found: Ports) -> Iterator[Opening]:
    # The services of one address and port are one rule.
    seen = {(item.address, item.port): item for item in found.open}
    yield from seen.values()


def _rule(item: Opening) -> str:
    to = ""
    if item.address:
        family = ipaddress.ip_address(item.address).version
        to = f' family="ipv{family}" destination address="{item.address}"'
    return f'rule{to} port port="{item.port}" protocol="tcp" accept'

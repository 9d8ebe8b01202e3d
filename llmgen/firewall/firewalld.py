"""Rules as words for firewall-cmd: rich rules of the default zone, which refuses all else."""

from __future__ import annotations

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
    seen = {(item.address, item.port, item.source): item for item in found.open}
    yield from seen.values()


def _rule(item: Opening) -> str:
    to = f' family="ipv{item.family}"' if item.family else ""
    to += f' source address="{item.source}"' if item.source else ""
    to += f' destination address="{item.address}"' if item.address else ""
    return f'rule{to} port port="{item.port}" protocol="tcp" accept'

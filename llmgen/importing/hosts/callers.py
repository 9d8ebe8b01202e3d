"""Which peer of a file is which of the others: by its name, its address, the models it has."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from llmgen.errors import Diagnostic
from llmgen.gateway.addresses import loopback
from llmgen.importing.hosts.stack import HostStack, host_name
from llmgen.importing.llama_swap.peers import ImportedPeer
from llmgen.importing.parts import fault

# Number of a stack and the id of one of its peers, and the number of the stack that this one is.
Calls = Mapping[tuple[int, str], int]
# Names that no provider on the internet has.
_OF_A_HOUSE: Final = (".local", ".lan", ".home", ".internal", ".home.arpa", ".localdomain",
                      ".ts.net")  # fmt: skip


def calls(stacks: Sequence[HostStack]) -> Calls:
    """Every peer that is one of the stacks."""
    found = {key: near[0] for key, near in _by_name(stacks).items() if len(near) == 1}
    waiting = [
        (at, peer)
        for at, stack in enumerate(stacks)
        for peer in stack.peers
        if (at, peer.id) not in found
    ]
    before = -1
    # What one round finds may leave a single choice to the next.
    while len(found) > before:
        before = len(found)
        for at, peer in waiting:
            if (at, peer.id) not in found and len(fit := _fitting(at, peer, stacks, found)) == 1:
                found[at, peer.id] = fit[0]
    return found


def unclear(stacks: Sequence[HostStack], found: Calls) -> Iterator[Diagnostic]:
    """Peers that could be more than one of the others."""
    for at, stack in enumerate(stacks):
        for peer in stack.peers:
            fit = [] if (at, peer.id) in found else _fitting(at, peer, stacks, found)
            if fit:
                which = ", ".join(f"`{stacks[index].name}`" for index in fit)
                yield fault(
                    "which-host",
                    f"the peer `{peer.id}` of `{stack.name}` could be {which}: it stays in "
                    "[external]",
                    f"name its file: `--host {host_name(peer.id) or 'NAME'}=FILE`",
                )


def host_of(endpoint: str) -> str:
    """The name or address in a URL; empty where there is none."""
    try:
        return urlsplit(endpoint).hostname or ""
    except ValueError:
        return ""


def _by_name(stacks: Sequence[HostStack]) -> dict[tuple[int, str], list[int]]:
    found = {}
    for at, stack in enumerate(stacks):
        for peer in stack.peers:
            called = {host_name(peer.id), _label(host_of(peer.endpoint))} - {""}
            found[at, peer.id] = [
                index
                for index, other in enumerate(stacks)
                if _may_be(stack, peer, other) and index != at and called & other.names
            ]
    return found


def _may_be(caller: HostStack, peer: ImportedPeer, other: HostStack) -> bool:
    """Whether a peer can be another machine: what is on loopback is not, unless somebody says."""
    if loopback(host_of(peer.endpoint)):
        return bool(caller.said and other.said)
    return bool(other.said) or other.is_swap


def _label(host: str) -> str:
    """The first part of a name, which is the machine's; nothing of an address."""
    return "" if loopback(host) or _is_address(host) else host_name(host.partition(".")[0])


def _fitting(at: int, peer: ImportedPeer, stacks: Sequence[HostStack], found: Calls) -> list[int]:
    """Stacks that the peer may be: the one at its address, else those with most of its models."""
    if not loopback(host_of(peer.endpoint)):
        at_address = {
            index
            for (caller, name), index in found.items()
            for other in stacks[caller].peers
            if other.id == name and other.endpoint == peer.endpoint
        }
        if at_address:
            # None where it is this machine's own that others call there: nobody is two of them.
            return sorted(at_address - {at})
    if not _is_of_a_house(host_of(peer.endpoint)):
        return []
    others = {index for (caller, _), index in found.items() if caller == at}
    fit = [
        index
        for index, stack in enumerate(stacks)
        if index != at
        and _may_be(stacks[at], peer, stack)
        and 2 * len(_served(stack) & {*peer.models}) > len({*peer.models})
    ]
    return [index for index in fit if index not in others] if len(fit) > 1 else fit


def _is_of_a_house(host: str) -> bool:
    """Whether the address is one of a private network: a provider has the same models as many."""
    if _is_address(host):
        return not ipaddress.ip_address(host.partition("%")[0]).is_global
    return bool(host) and ("." not in host or host.endswith(_OF_A_HOUSE))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _served(stack: HostStack) -> set[str]:
    """Every name that a stack answers to."""
    found = set()
    for path, keys in stack.part.tables.items():
        if path[0] in ("models", "external") and len(path) == 2:
            found |= {path[1], *map(str, keys.get("aliases", ())), *keys.get("variants", ())}
    return found

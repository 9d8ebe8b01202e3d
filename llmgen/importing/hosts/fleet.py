"""Stacks of several machines as the tables of one llm.toml."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from llmgen.errors import Diagnostic
from llmgen.importing.hosts.access import access, callers_of
from llmgen.importing.hosts.callers import calls, unclear
from llmgen.importing.hosts.name_space import one_name_space
from llmgen.importing.hosts.stack import HostStack, at_home, home_of, is_mac, named
from llmgen.importing.llama_swap.peers import ImportedPeer
from llmgen.importing.local import with_local
from llmgen.importing.machine import DeviceNeeds, with_devices
from llmgen.importing.parts import Part, merged, part_of

# [hosts.NAME.hardware] for a machine that needs these devices, and what to say of it.
HardwareFinder = Callable[[str, DeviceNeeds], tuple[Mapping[str, Any], tuple[Diagnostic, ...]]]


def are_hosts(stacks: Sequence[HostStack]) -> bool:
    """Whether files are of several machines: somebody says so, or one of them calls another."""
    return any(stack.said for stack in stacks) or bool(calls(stacks))


def from_hosts(stacks: Sequence[HostStack], hardware: HardwareFinder) -> Part:
    """One [hosts] table for each stack, and all models; names are those of the files still."""
    found = calls(stacks)
    ids = [[peer.id for _, peer in callers_of(stacks, found, at)] for at in range(len(stacks))]
    every = [_ready(stack) for stack in named(stacks, ids)]
    prepared = [stack for stack, _ in every]
    # Each host's table comes before the tables within it.
    hosts = merged(
        _host(stack, needs, callers_of(prepared, found, at), hardware)
        for at, (stack, needs) in enumerate(every)
    )
    doors = {
        (caller.name, peer.endpoint): prepared[found[at, peer.id]].name
        for at, caller in enumerate(prepared)
        for peer in caller.peers
        if (at, peer.id) in found
    }
    whole = merged([hosts, one_name_space(prepared, doors)])
    order = [stack.name for stack in prepared]
    paths = sorted(
        whole.tables, key=lambda path: order.index(path[1]) if path[0] == "hosts" else len(order)
    )
    tables = {path: whole.tables[path] for path in paths}
    return Part(tables, (*whole.faults, *unclear(prepared, found)))


def _ready(stack: HostStack) -> tuple[HostStack, DeviceNeeds]:
    """The stack with devices and paths as llm.toml writes them."""
    home = home_of(stack.part)
    part, needs = with_devices(with_local(at_home(stack.part, home)))
    if is_mac(stack.part):
        needs = replace(needs, backend=needs.backend or "metal")
    if home:
        paths = {"home": home, **part.tables.get(("paths",), {})}
        part = Part({**part.tables, ("paths",): paths}, part.faults)
    return replace(stack, part=part), needs


def _host(
    stack: HostStack,
    needs: DeviceNeeds,
    callers: Sequence[tuple[str, ImportedPeer]],
    hardware: HardwareFinder,
) -> Part:
    own = part_of(access(stack, callers))
    machine, told = hardware(stack.name, needs)
    tables = {**own.tables, ("hosts", stack.name, "hardware"): dict(machine)}
    return Part(tables, (*own.faults, *told))

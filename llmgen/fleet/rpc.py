"""Devices that hosts lend each other: the [rpc] of each host, out of [hosts.NAME.rpc] and `device`.

A borrower is planned first, with what its lender has left for others; what its models take there is
then held on the lender for good. So nobody may borrow, over however many hosts, from itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from llmgen.budget.beside.lending import lender_host_bytes
from llmgen.budget.memory import HOST
from llmgen.config.config import Config
from llmgen.config.tables.hosts import HostTable
from llmgen.config.tables.rpc import HostRpc
from llmgen.errors import ConfigError, Diagnostic
from llmgen.fleet.project import Document
from llmgen.fleet.rpc_uses import Use
from llmgen.machine import Machine
from llmgen.plan.plan import Plan
from llmgen.plan.rpc import endpoints


class Lender(Struct, frozen=True):
    """A host that lends: its tables, its machine, its llama.cpp build."""

    host: HostTable
    rpc: HostRpc
    machine: Machine
    build: int


def absent(lenders: Mapping[str, Lender]) -> Iterator[Diagnostic]:
    """Devices that are lent, and that the machine does not have."""
    for name, lender in lenders.items():
        keys = [item.key for item in lender.machine.devices]
        for index, device in enumerate(lender.rpc.devices):
            if device not in keys:
                yield Diagnostic(
                    "rpc.no-device",
                    f"`{name}` lends `{device}`, which it does not have",
                    ("hosts", name, "rpc", "devices", index),
                    hint=f"its devices are {', '.join(keys)}" if keys else "it has no devices",
                )


class Rooms(Struct):
    """What lenders have left for others; ``lent`` are bytes by host and device."""

    lenders: Mapping[str, Lender]
    lent: dict[tuple[str, str], int]

    def left(self, lender: str, device: str) -> int:
        """Bytes of a device; of shared memory all of them come out of the one."""
        machine = self.lenders[lender].machine
        item = machine.device(device)
        own = item.memory_bytes - item.reserve_bytes - self.lent.get((lender, device), 0)
        if not machine.unified:
            return max(0, own)
        taken = sum(size for (host, _), size in self.lent.items() if host == lender)
        return max(0, min(own, machine.memory_bytes - machine.reserve_bytes - taken))

    def lend(self, lender: str, memory: Mapping[str, int]) -> None:
        """Take that away."""
        for device, size in memory.items():
            self.lent[lender, device] = self.lent.get((lender, device), 0) + size


def tables(
    config: Config,
    found: Sequence[Use],
    lenders: Mapping[str, Lender],
    planned: Callable[[str, Document], Plan],
) -> dict[str, Document]:
    """The [rpc] of each host that lends or borrows; ``planned`` plans a host with such a table."""
    ports, rooms = _ports(found, lenders), Rooms(lenders, {})
    made: dict[str, Document] = {}
    for host in _in_order(found):
        mine = [use for use in found if use.borrower == host]
        if not mine:
            continue
        table = made.setdefault(host, {})
        table["borrow"] = {
            lender: _borrow([use for use in mine if use.lender == lender], rooms, ports)
            for lender in dict.fromkeys(use.lender for use in mine)
        }
        plan = planned(host, table)
        for use in mine:
            memory = _memory(use, plan, config.naming.prefix)
            rooms.lend(use.lender, memory)
            lend = made.setdefault(use.lender, {}).setdefault("lend", {})
            peer = config.hosts[use.borrower].address
            lend[use.name] = _lend(lenders[use.lender], ports[use], memory, peer)
    return made


def _in_order(found: Sequence[Use]) -> Iterator[str]:
    """Borrowers before their lenders; ConfigError where there is no such order."""
    waiting = dict.fromkeys(name for use in found for name in (use.borrower, use.lender))
    while waiting:
        open_uses = [use for use in found if use.borrower in waiting]
        owing = {use.lender for use in open_uses}
        free = next((name for name in waiting if name not in owing), None)
        if free is None:
            raise ConfigError(_circle(next(u for u in open_uses if u.lender in waiting), waiting))
        del waiting[free]
        yield free


def _circle(use: Use, waiting: Mapping[str, None]) -> Diagnostic:
    names = " and ".join(f"`{name}`" for name in waiting)
    return Diagnostic(
        "rpc.circle",
        f"{names} lend devices to each other, and none of them can be planned before the others",
        ("models", use.model, "device"),
        hint="devices are lent in one direction",
    )


def _ports(found: Sequence[Use], lenders: Mapping[str, Lender]) -> dict[Use, int]:
    """A port for each, the same at both ends of a tunnel, and so nobody else's in the fleet."""
    taken: set[int] = set()
    ports = {}
    for use in found:
        port = lenders[use.lender].rpc.port
        while port in taken:
            port += 1
        taken.add(port)
        ports[use] = port
    return ports


def _borrow(mine: Sequence[Use], rooms: Rooms, ports: Mapping[Use, int]) -> Document:
    """What a borrower has of one lender."""
    name = mine[0].lender
    lender = rooms.lenders[name]
    host, link = lender.host, lender.rpc.link
    ssh = {"ssh": host.ssh, "ssh_port": host.ssh_port, "identity": lender.rpc.identity}
    devices = dict.fromkeys(item.partition("/")[2] for use in mine for item in use.devices)
    return {
        "address": host.address,
        "link": link,
        **{key: value for key, value in ssh.items() if value and link == "tunnel"},
        "build": lender.build,
        "devices": {device: rooms.left(name, device) for device in devices},
        "process_overhead": lender.machine.process_overhead_bytes,
        "ports": {use.model: ports[use] for use in mine},
    }


def _memory(use: Use, plan: Plan, prefix: str) -> dict[str, int]:
    """What the model takes on its lender: devices as its server numbers them, and of the host."""
    placed = plan.placement(prefix + use.model)
    groups = endpoints(placed.name, placed.settings, plan.library).values()
    devices = [item.key for group in groups for item in group if item.lender == use.lender]
    found = {key.partition("/")[2]: placed.footprint[key] for key in devices}
    return {**found, HOST: lender_host_bytes(placed.model.all_facts)}


def _lend(lender: Lender, port: int, memory: Mapping[str, int], peer: str) -> Document:
    private = {"listen": lender.host.address, "link": "private", "peer": peer}
    return {
        "port": port,
        **(private if lender.rpc.link == "private" else {}),
        "memory": {**memory},
        **({"cache": True} if lender.rpc.cache else {}),
    }

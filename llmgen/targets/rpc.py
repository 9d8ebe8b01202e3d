"""RPC between machines as services: a server for each model that borrows, a tunnel to each lender.

ggml-rpc-server b11434 serves one client at a time, ends with success where it cannot listen, and
says no build; llama-server aborts where it finds no server (tests/readers/test_rpc_server.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from llmgen.config.tables.rpc import Borrowed, Lent
from llmgen.gateway.addresses import LOOPBACK, loopback
from llmgen.layout import expand
from llmgen.library import Library
from llmgen.plan.plan import Placement, Plan
from llmgen.plan.rpc import borrowed, port

if TYPE_CHECKING:
    from llmgen.targets.services import Service

SSH: Final = "/usr/bin/ssh"
_SERVER, _TUNNEL = "rpc-", "tunnel-"
# How the names of these services begin.
JOINTS: Final = (_SERVER, _TUNNEL)
# What a tunnel may do, and nothing that a configuration of the user's adds to it.
_OPTIONS: Final = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "ExitOnForwardFailure=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "ControlPath=none",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
)


def server_name(name: str) -> str:
    """The service of one RPC server."""
    return f"{_SERVER}{name}"


def tunnel_name(lender: str) -> str:
    """The service of the tunnel to a machine."""
    return f"{_TUNNEL}{lender}"


def server_words(table: Lent, library: Library) -> tuple[str, ...]:
    """The command of one RPC server: exactly these devices, in this order."""
    names = {item.key: item.name for item in library.machine.devices}
    devices = [names[key] for key in table.memory if key in names]
    return (
        str(library.layout.rpc_server),
        *("--host", table.listen, "--port", str(table.port)),
        *("--device", ",".join(devices)),
        *(("--cache",) if table.cache else ()),
    )


def server_environment(name: str, library: Library) -> tuple[tuple[str, str], ...]:
    """The machine's own variables, by which devices have their numbers; where its cache is."""
    from llmgen.targets.accounts import state_folder  # noqa: PLC0415 - it knows services

    if not library.config.rpc.lend[name].cache:
        return library.machine.environment
    own = state_folder(library.config.services, library.layout, server_name(name))
    return (*library.machine.environment, ("LLAMA_CACHE", str(own / "rpc")))


def tunnel_words(table: Borrowed, ports: Sequence[int], library: Library) -> tuple[str, ...]:
    """The command of a tunnel: each port of this machine's loopback leads to the same one there."""
    options = [*_OPTIONS, *(("IdentitiesOnly=yes",) if table.identity else ())]
    own = ("rpc", "borrow")
    key = table.identity and str(expand(table.identity, library.layout.home, own))
    return (
        *(SSH, "-N", "-T"),
        *(word for option in options for word in ("-o", option)),
        *(("-p", str(table.ssh_port)) if table.ssh_port else ()),
        *(("-i", key) if key else ()),
        *(word for port in ports for word in ("-L", f"{LOOPBACK}:{port}:{LOOPBACK}:{port}")),
        *("--", table.ssh or table.address),
    )


def servers(library: Library) -> Iterator[Service]:
    """An RPC server for each model of another machine that uses a device of this one."""
    from llmgen.plan.slack import PROCESS_SLACK  # noqa: PLC0415
    from llmgen.targets.services import Service  # noqa: PLC0415 - it lists ours

    limited = library.config.services.memory_max
    for name, table in library.config.rpc.lend.items():
        yield Service(
            name=server_name(name),
            summary=f"ggml-rpc-server: devices for {name} of another machine",
            argv=server_words(table, library),
            environment=server_environment(name, library),
            memory_bytes=_limit(table, library) + PROCESS_SLACK if limited else 0,
            gpu=True,
            local=loopback(table.listen),
            restarts="always",
            tries=0,
            port=table.port,
        )


def _limit(table: Lent, library: Library) -> int:
    """Host memory of the server; with unified memory what it holds on devices is the host's."""
    unified = library.machine.unified
    return sum(size for key, size in table.memory.items() if key == "host" or unified)


def tunnels(plan: Plan) -> Iterator[Service]:
    """A tunnel to each machine whose devices are used that way."""
    from llmgen.targets.services import Service  # noqa: PLC0415 - it lists ours

    for lender, table in plan.library.config.rpc.borrow.items():
        users = [item.name for item in plan.placements if lender in lenders(item, plan.library)]
        if users and table.link == "tunnel":
            ports = [port(name, lender, plan.library) for name in users]
            yield Service(
                name=tunnel_name(lender),
                summary=f"ssh: to the RPC servers of {lender}",
                argv=tunnel_words(table, ports, plan.library),
                reads_home=True,  # its keys, and the hosts that it knows
                restarts="always",
                tries=0,
                port=ports[0],
            )


def lenders(item: Placement, library: Library) -> tuple[str, ...]:
    """The machines whose devices a model uses."""
    return tuple(dict.fromkeys(device.lender for device in borrowed(item.settings, library)))


def before(items: Sequence[Placement], library: Library) -> tuple[str, ...]:
    """The services that have to run before these models start."""
    used = dict.fromkeys(lender for item in items for lender in lenders(item, library))
    tables = library.config.rpc.borrow
    return tuple(tunnel_name(lender) for lender in used if tables[lender].link == "tunnel")

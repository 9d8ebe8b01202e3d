"""[rpc]: whether devices of other machines can be used as it says, and nobody else uses ours."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from llmgen.config.config import Config
from llmgen.config.editions import EDITIONS
from llmgen.config.tables.models import ModelTable
from llmgen.config.tables.rpc import Borrowed, Lent
from llmgen.engines.registry import ENGINES, USUAL
from llmgen.errors import Diagnostic, KeyPath
from llmgen.gateway.addresses import loopback
from llmgen.machine import Machine
from llmgen.units import show_size

WHY = (
    "llama.cpp's RPC has neither password nor encryption: whoever reaches the port reads and "
    "writes the GPU's memory"
)


def findings(config: Config, machine: Machine) -> Iterator[Diagnostic]:
    """Everything that is wrong with [rpc]."""
    build = config.llama_cpp.build or EDITIONS[config.edition].build
    for name, table in config.rpc.borrow.items():
        yield from _borrowed(("rpc", "borrow", name), name, table, build)
    for name, lent in config.rpc.lend.items():
        yield from _lent(("rpc", "lend", name), name, lent, machine)
    yield from _too_much(config, machine)
    if (config.rpc.lend or config.rpc.borrow) and config.services.runtime != "native":
        yield Diagnostic(
            "rpc.contained",
            "RPC servers and those that use them are programs of the machine, not containers",
            ("services", "runtime"),
            hint='`runtime = "native"`, or leave [rpc] out',
        )
    for name, model in config.models.items():
        if model.enable:
            yield from _used(name, model, config)


def refuse_open(key: KeyPath, who: str, address: str, link: str) -> Iterator[Diagnostic]:
    """A diagnostic for an address of an RPC server that others than its user could reach."""
    if loopback(address) and ":" not in address and address != "localhost":
        return
    ip = _ipv4(address)
    if ip is None:
        yield Diagnostic(
            "rpc.address",
            f"{who} cannot listen on `{address}`: ggml-rpc-server takes an IPv4 address alone",
            key,
            hint='the machine\'s own, like `"10.0.0.2"`',
        )
    elif link != "private":
        yield Diagnostic(
            "rpc.open-network",
            f"{who} would listen on `{address}`, and {WHY}",
            key,
            hint='`link = "tunnel"`, which is `ssh` to its loopback; or, where nobody else is on '
            'that network (a cable, WireGuard), `link = "private"`',
        )
    elif ip.is_unspecified or not _is_private(ip):
        yield Diagnostic(
            "rpc.open-network",
            f"{who} would listen on `{address}`, which is no private network's, and {WHY}",
            key,
            hint='the address of that link alone, like `10.0.0.2`; or `link = "tunnel"`',
        )


def _ipv4(address: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(address)
    except ValueError:
        return None


# What no router of the internet passes on (RFC 1918, 3927, 6598; the last is Tailscale's, too).
_PRIVATE = tuple(
    map(
        ipaddress.IPv4Network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"),
    )
)


def _is_private(ip: ipaddress.IPv4Address) -> bool:
    return any(ip in network for network in _PRIVATE)


def _borrowed(key: KeyPath, name: str, table: Borrowed, build: int) -> Iterator[Diagnostic]:
    if table.link == "private":
        yield from refuse_open(
            (*key, "address"), f"the RPC server of `{name}`", table.address, table.link
        )
    if table.build is not None and table.build != build:
        yield Diagnostic(
            "rpc.other-build",
            f"`{name}` has llama.cpp b{table.build}, and this machine b{build}: both ends of RPC "
            "have to be one build (operations are sent by their number)",
            (*key, "build"),
            hint=f"install b{build} there, or `build = {table.build}` in [llama_cpp]",
        )
    seen: dict[int, str] = {}
    for model, port in table.ports.items():
        if port in seen:
            yield Diagnostic(
                "rpc.shared-server",
                f"`{model}` and `{seen[port]}` would use one RPC server of `{name}`, port {port}, "
                "which serves one llama-server at a time and lets the other one wait",
                (*key, "ports", model),
                hint="a port for each",
            )
        seen.setdefault(port, model)


def _lent(key: KeyPath, name: str, table: Lent, machine: Machine) -> Iterator[Diagnostic]:
    yield from refuse_open(
        (*key, "listen"), f"the RPC server of `{name}`", table.listen, table.link
    )
    keys = [item.key for item in machine.devices]
    for device in table.memory:
        if device != "host" and device not in keys:
            yield Diagnostic(
                "rpc.no-device",
                f"`{device}` is lent to `{name}`, and {machine.host} does not have it",
                (*key, "memory", device),
                hint=f"its devices are {', '.join(keys)}" if keys else "it has no devices",
            )
    if not {*table.memory} - {"host"}:
        yield Diagnostic(
            "rpc.nothing-lent",
            f"the RPC server of `{name}` lends no device",
            (*key, "memory"),
            hint='`memory = { gpu0 = "16GiB", host = "1GiB" }`',
        )


def _too_much(config: Config, machine: Machine) -> Iterator[Diagnostic]:
    """Where what is lent and what is kept for others are more than there is."""
    limits = [("host", machine.memory_bytes, machine.reserve_bytes)]
    limits += [(item.key, item.memory_bytes, item.reserve_bytes) for item in machine.devices]
    for name, size, reserved in limits:
        users = [one for one, table in config.rpc.lend.items() if name in table.memory]
        if reserved > size and users:
            yield Diagnostic(
                "rpc.lent-too-much",
                f"{' and '.join(f'`{one}`' for one in users)} and the reserve take "
                f"{show_size(reserved)} of {name}, which has {show_size(size)}",
                ("rpc", "lend", users[-1], "memory"),
                hint="less on the machine that borrows: a shorter `ctx_size`, other shares",
            )


def _used(name: str, table: ModelTable, config: Config) -> Iterator[Diagnostic]:
    named = table.device if isinstance(table.device, tuple) else config.defaults.device
    drafted = (table.draft.device or ()) if table.draft is not None else ()
    chosen = (*(named if isinstance(named, tuple) else ()), *drafted)
    lenders = [item[4:].partition("/")[0] for item in chosen if item.startswith("rpc:")]
    if not lenders:
        return
    if not ENGINES.get(table.engine, USUAL).is_llama or table.container is not None:
        yield Diagnostic(
            "rpc.engine",
            f"`{name}` is put on a device of another machine, which llama-server alone can use",
            ("models", name, "device"),
            hint="devices of its own machine",
        )
    for lender in dict.fromkeys(lenders):
        borrowed = config.rpc.borrow.get(lender)
        if borrowed is not None and name not in borrowed.ports:
            yield Diagnostic(
                "rpc.no-server",
                f"`{name}` is put on a device of `{lender}`, which has no RPC server for it",
                ("models", name, "device"),
                hint=f"its port in [rpc.borrow.{lender}]: `ports = {{ {name} = 50052 }}`",
            )

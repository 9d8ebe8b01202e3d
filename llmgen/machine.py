"""The machine that runs the servers: [hardware] joined with its profile, nothing left out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.beside.backend import backend_overhead
from llmgen.budget.memory import HOST
from llmgen.config.config import Config
from llmgen.config.tables.hardware import Backend, Device, Hardware, OperatingSystem
from llmgen.config.tables.rpc import Rpc
from llmgen.config.tables.services import Budget
from llmgen.engines.memory import Room
from llmgen.errors import ConfigError, Diagnostic
from llmgen.profiles import BESIDE, profile_options, profiles
from llmgen.units import GIB, MIB, show_size

# A disk that nobody described: an ordinary NVMe drive of a mainstream board.
ASSUMED_DISK_BYTES: Final = 2 * GIB


class MachineDevice(Struct, frozen=True):
    """A device that holds layers: ``gpu0`` in plans, ``name`` for llama-server's ``--device``.

    One of another machine is ``rpc:LENDER/gpu0``, and called by each server after its own list.
    """

    key: str
    name: str
    memory_bytes: int
    reserve_bytes: int
    bandwidth_bytes: int = 0
    lender: str = ""
    overhead_bytes: int = 0


class Machine(Struct, frozen=True):
    """One host: memory, devices, and what the backend takes for each process.

    With ``unified`` memory the devices' ``memory_bytes`` are ceilings within ``memory_bytes``.
    ``source`` says where the profile's facts come from, ``toolkit`` the CUDA or ROCm release that
    first knows its GPU, ``options`` what every model of it should have. ``borrowed`` are devices of
    other machines, for models that name them.
    """

    host: str
    os: OperatingSystem
    backend: Backend
    memory_bytes: int
    reserve_bytes: int
    unified: bool
    devices: tuple[MachineDevice, ...]
    process_overhead_bytes: int
    disk_bandwidth_bytes: int
    threads: int = 0
    environment: tuple[tuple[str, str], ...] = ()
    profile: str = ""
    source: str = ""
    architecture: str = ""
    toolkit: str = ""
    memory_bandwidth_bytes: int = 0
    options: tuple[tuple[str, Any], ...] = ()
    borrowed: tuple[MachineDevice, ...] = ()

    def device(self, key: str) -> MachineDevice:
        """The device ``gpu0``, ``gpu1`` …; KeyError when there is none."""
        return {item.key: item for item in (*self.devices, *self.borrowed)}[key]

    def key_of(self, spelling: str) -> str:
        """``gpu1`` for `gpu1` and for what `llama-server --list-devices` calls it, else nothing.

        The server does not look at the case of its names either.
        """
        return key_of((*self.devices, *self.borrowed), spelling)

    @property
    def backends(self) -> dict[str, str]:
        """What drives each device; what a lender's takes is known, not which one it is.

        One that takes nothing for itself is taken for a CPU.
        """
        borrowed = {it.key: "rpc" if it.overhead_bytes else "cpu" for it in self.borrowed}
        return {item.key: self.backend for item in self.devices} | borrowed

    @property
    def views(self) -> tuple[str, ...]:
        """The host and the devices, by the names that footprints are counted under."""
        return (HOST, *(item.key for item in self.devices))

    def room(self, others: int = 0) -> Room:
        """The same as engines see it; ``others`` is what gateways take of the host."""
        devices = {item.key: item for item in self.devices}
        left = {key: item.memory_bytes - item.reserve_bytes for key, item in devices.items()}
        return Room(
            sizes={HOST: self.memory_bytes, **{k: v.memory_bytes for k, v in devices.items()}},
            budgets={HOST: self.memory_bytes - self.reserve_bytes - others, **left},
            unified=self.unified and bool(devices),
        )


def key_of(devices: Sequence[MachineDevice], spelling: str) -> str:
    """The key of the device that is spelled so; empty when there is none."""
    keys = {item.name.casefold(): item.key for item in reversed(devices)}
    keys |= {item.key: item.key for item in devices}
    return keys.get(spelling.casefold(), "")


# What llama-server calls a backend's devices.
DEVICE_NAMES: Final[dict[Backend, str]] = {
    "cuda": "CUDA",
    "rocm": "ROCm",
    "vulkan": "Vulkan",
    "metal": "MTL",
    "cpu": "CPU",
}


def machine(hardware: Hardware, budget: Budget, rpc: Rpc | None = None) -> Machine:
    """[hardware] laid over its profile; ConfigError when something is missing in both.

    ``rpc`` has the devices of other machines.
    """
    profile = _profile(hardware.profile)
    filled = {key: value for key, value in profile.items() if key not in BESIDE}
    # As a part of llm.toml, whose validator is there already; Hardware's own would be built here.
    base = Config.model_validate_json(json.dumps({"edition": 1, "hardware": filled})).hardware
    values = {
        key: own if (own := getattr(hardware, key)) is not None else getattr(base, key)
        for key in Hardware.model_fields
    }
    _refuse_missing(values, hardware.profile)
    backend: Backend = values["backend"]
    devices = tuple(
        _device(index, device, backend) for index, device in enumerate(values["devices"] or ())
    )
    _refuse_same_names(devices)
    _refuse_strangers(budget, devices)
    found = Machine(
        host=hardware.host,
        os=values["os"],
        backend=backend,
        memory_bytes=values["memory"],
        reserve_bytes=(values["reserve"] or 0)
        + budget.reserve.get(HOST, 0)
        + (_lent_host(rpc, unified=bool(values["unified"])) if rpc is not None else 0),
        unified=bool(values["unified"]),
        devices=tuple(_with_lent(_with_reserves(devices, budget), rpc)),
        process_overhead_bytes=_overhead(values["process_overhead"], backend),
        disk_bandwidth_bytes=values["disk_bandwidth"] or ASSUMED_DISK_BYTES,
        threads=values["threads"] or 0,
        environment=tuple(
            sorted({**_order(backend, len(devices)), **(values["environment"] or {})}.items())
        ),
        profile=hardware.profile or "",
        source=profile.get("source", ""),
        architecture=values["architecture"] or "",
        toolkit=profile.get("toolkit", ""),
        memory_bandwidth_bytes=values["memory_bandwidth"] or 0,
        options=tuple(profile_options(hardware.profile).items()),
        borrowed=tuple(_borrowed(rpc)) if rpc is not None else (),
    )
    _refuse_bytes(found)
    return found


def _refuse_bytes(found: Machine) -> None:
    """ConfigError for a memory that no machine has: a number of GiB without its unit."""
    rows = [(("hardware", "memory"), "the host", found.memory_bytes)]
    rows += [(("hardware", "devices"), item.key, item.memory_bytes) for item in found.devices]
    wrong = [
        Diagnostic(
            "hardware.bytes",
            f"{who} would have {show_size(size)} of memory: a number without a unit is bytes",
            key,
            hint=f'`memory = "{size}GiB"`',
        )
        for key, who, size in rows
        if 0 < size < MIB
    ]
    if wrong:
        raise ConfigError(wrong)


def _order(backend: Backend, count: int) -> dict[str, str]:
    """What makes CUDA number its devices as nvidia-smi does; by itself it puts fast ones first."""
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if backend == "cuda" and count > 1 else {}


def _overhead(given: int | None, backend: Backend) -> int:
    return backend_overhead(backend) if given is None else given


def _device(index: int, device: Device, backend: Backend) -> MachineDevice:
    return MachineDevice(
        key=f"gpu{index}",
        name=device.name or f"{DEVICE_NAMES[backend]}{index}",
        memory_bytes=device.memory,
        reserve_bytes=device.reserve,
        bandwidth_bytes=device.bandwidth or 0,
    )


def _with_lent(devices: Iterable[MachineDevice], rpc: Rpc | None) -> Iterator[MachineDevice]:
    """What is lent is held for good: an RPC server's memory is the other machine's to fill."""
    tables = rpc.lend.values() if rpc is not None else ()
    for item in devices:
        lent = sum(table.memory.get(item.key, 0) for table in tables)
        yield replace(item, reserve_bytes=item.reserve_bytes + lent)


def _lent_host(rpc: Rpc, *, unified: bool) -> int:
    """The same of the host, whose memory is the devices', too, where it is one."""
    return sum(
        size
        for table in rpc.lend.values()
        for key, size in table.memory.items()
        if unified or key == HOST
    )


def _borrowed(rpc: Rpc) -> Iterator[MachineDevice]:
    for lender, table in rpc.borrow.items():
        for device, size in table.devices.items():
            key = f"rpc:{lender}/{device}"
            yield MachineDevice(
                key=key,
                name=key,
                memory_bytes=size,
                reserve_bytes=0,
                lender=lender,
                overhead_bytes=table.process_overhead,
            )


def _with_reserves(devices: Sequence[MachineDevice], budget: Budget) -> Iterator[MachineDevice]:
    for item in devices:
        more = sum(
            size for name, size in budget.reserve.items() if key_of(devices, name) == item.key
        )
        yield replace(item, reserve_bytes=item.reserve_bytes + more)


def _profile(name: str | None) -> dict[str, Any]:
    known = profiles()
    if name is None:
        return {}
    if name not in known:
        from difflib import get_close_matches  # noqa: PLC0415 - only for mistakes

        near = get_close_matches(name, known, 1)
        hint = f"did you mean `{near[0]}`?" if near else f"profiles: {', '.join(known)}"
        raise ConfigError(
            Diagnostic(
                "hardware.unknown-profile",
                f"there is no profile `{name}`",
                ("hardware", "profile"),
                hint=hint,
            )
        )
    return known[name]


def _refuse_missing(values: dict[str, Any], profile: str | None) -> None:
    who = f"profile `{profile}`" if profile else "[hardware] without a `profile`"
    missing = [key for key in ("os", "backend", "memory") if values[key] is None]
    if values["devices"] is None and values["backend"] not in (None, "cpu"):
        missing.append("devices")
    if missing:
        raise ConfigError(
            [
                Diagnostic(
                    "hardware.missing",
                    f"{who} needs `{key}`",
                    ("hardware", key),
                    hint=_EXAMPLES[key],
                )
                for key in missing
            ]
        )


def _refuse_same_names(devices: Sequence[MachineDevice]) -> None:
    """ConfigError when llama-server's name of a device is another's, or another's key."""
    for index, item in enumerate(devices):
        for other in devices[:index]:
            if item.name.casefold() in (other.name.casefold(), other.key) or (
                other.name.casefold() == item.key
            ):
                raise ConfigError(
                    Diagnostic(
                        "hardware.same-device",
                        f"{other.key} is called `{other.name}`, and {item.key} `{item.name}`: "
                        "nobody can tell which is meant",
                        ("hardware", "devices", index),
                        hint="a `name` of its own for each, as `llama-server --list-devices` says",
                    )
                )


def _refuse_strangers(budget: Budget, devices: Sequence[MachineDevice]) -> None:
    """ConfigError when [budget] reserves memory of a device that is not there."""
    known = [HOST, *(item.key for item in devices)]
    wrong = [
        Diagnostic(
            "hardware.no-device",
            f"memory of `{key}` is reserved, which the machine does not have",
            ("budget", "reserve", key),
            hint=f"memory is that of {', '.join(known)}",
        )
        for key in budget.reserve
        if key != HOST and not key_of(devices, key)
    ]
    if wrong:
        raise ConfigError(wrong)


_EXAMPLES: Final = {
    "os": '`os = "linux"`',
    "backend": '`backend = "cuda"`',
    "memory": '`memory = "62GiB"`: what the system reports as its total',
    "devices": '`devices = [{ memory = "24564MiB" }]`: what the driver reports',
}

"""Devices that llm.toml names, by key or by llama-server's name: each must be [hardware]'s."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmgen.config.config import Config
from llmgen.config.tables.models import Defaults, ModelTable
from llmgen.engines.registry import ENGINES, USUAL
from llmgen.errors import Diagnostic, KeyPath
from llmgen.machine import Machine


def findings(config: Config, machine: Machine) -> Iterator[Diagnostic]:
    """Devices that the machine does not have or that come twice, and splits of another length."""
    known = [device.key for device in machine.devices]
    for key, who, named in _lists(config):
        for index, device in enumerate(named):
            found = machine.key_of(device)
            if not found:
                yield Diagnostic(
                    "models.no-device",
                    f"{who} put on `{device}`, which {machine.host} does not have",
                    (*key, index),
                    hint=_known(machine),
                )
            elif found in map(machine.key_of, named[:index]):
                yield Diagnostic(
                    "models.device-twice",
                    f"{who} put on `{device}` twice",
                    (*key, index),
                    hint="each device once",
                )
    for key, who, tensors in _tensors(config):
        for index, text in enumerate(tensors):
            target = text.rpartition("=")[2]
            if not (is_host(target) or machine.key_of(target)):
                yield Diagnostic(
                    "models.no-device",
                    f"{who} tensors on `{target}`, which {machine.host} does not have",
                    (*key, "override_tensor", index),
                    hint=f"`CPU` is the host; {_known(machine)}",
                )
    usual = _named(config.defaults) or known
    yield from _split(("defaults",), config.defaults, usual)
    for name, table in config.models.items():
        if table.enable and ENGINES.get(table.engine, USUAL).is_llama:
            yield from _split(("models", name), table, _named(table) or usual)
            yield from _main(name, table, config.defaults, _named(table) or usual)


def _lists(config: Config) -> Iterator[tuple[KeyPath, str, Sequence[str]]]:
    yield ("defaults", "device"), "models are", _named(config.defaults)
    for name, table in config.models.items():
        if table.enable:
            yield ("models", name, "device"), f"`{name}` is", _named(table)
            draft = table.draft.device if table.draft is not None else None
            yield ("models", name, "draft", "device"), f"the draft of `{name}` is", draft or ()


def _tensors(config: Config) -> Iterator[tuple[KeyPath, str, Sequence[str]]]:
    yield ("defaults",), "models have", config.defaults.override_tensor or ()
    for name, table in config.models.items():
        if table.enable:
            yield ("models", name), f"`{name}` has", table.override_tensor or ()


def _known(machine: Machine) -> str:
    own = [f"{item.key} ({item.name})" for item in machine.devices]
    found = [*own, *(item.key for item in machine.borrowed)]
    return f"devices are {', '.join(found)}" if found else "it has no devices"


def is_host(buffer: str) -> bool:
    """Whether a buffer of `override_tensor` is the host's: `CPU`, or pinned for a backend."""
    return buffer.upper() == "CPU" or buffer.endswith("_Host")


def _named(table: ModelTable | Defaults) -> Sequence[str]:
    return table.device if isinstance(table.device, tuple) else ()


def _split(
    key: KeyPath, table: ModelTable | Defaults, devices: Sequence[str]
) -> Iterator[Diagnostic]:
    shares = table.tensor_split if isinstance(table.tensor_split, tuple) else ()
    if shares and len(shares) != len(devices):
        yield Diagnostic(
            "models.split-shares",
            f"`tensor_split` of `{key[-1]}`: {len(shares)} shares for {len(devices)} devices",
            (*key, "tensor_split"),
            hint="one share for each device",
        )


def _main(
    name: str, table: ModelTable, defaults: Defaults, devices: Sequence[str]
) -> Iterator[Diagnostic]:
    """The one device of `split_mode = "none"`, which the server looks for in its list."""
    mode = table.split_mode or defaults.split_mode
    owner, key = (table, ("models", name)) if table.main_gpu is not None else (defaults, None)
    if mode == "none" and devices and (owner.main_gpu or 0) >= len(devices):
        yield Diagnostic(
            "models.no-main-gpu",
            f"`{name}` is put on device {owner.main_gpu} of {', '.join(devices)}, counted from 0",
            (*(key or ("defaults",)), "main_gpu"),
            hint=f"`main_gpu = {len(devices) - 1}` is the last one",
        )

"""llama-fit-params: its command line for given settings, and what it prints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from llmgen.budget.memory import HOST, DeviceMemory
from llmgen.budget.settings import ServerSettings
from llmgen.options import in_order
from llmgen.units import MIB, show_number

PROGRAM: Final = "llama-fit-params"
# `CUDA0 17312 3400 600`, the host last; MiB, rounded down (common_fit_print in common/fit.cpp).
_ROW: Final = re.compile(r"^(\S+) (\d+) (\d+) (\d+) *$", re.MULTILINE)


def command(
    program: str, model: str, settings: ServerSettings, names: Sequence[str] = ()
) -> tuple[str, ...]:
    """The words that make the program print its figures; ``names`` are those of its devices."""
    words = _words(settings, {f"gpu{number}": name for number, name in enumerate(names)})
    return (program, "-m", model, "-fitp", "on", "-fit", "off", "--no-repack", *words)


def _words(settings: ServerSettings, names: Mapping[str, str]) -> Iterator[str]:
    layers = str(settings.n_gpu_layers) if settings.n_gpu_layers >= 0 else "all"
    yield from ("-c", str(settings.ctx_size), "-np", str(settings.parallel))
    yield from ("-b", str(settings.batch_size), "-ub", str(settings.ubatch_size))
    yield from ("-ctk", settings.cache_type_k, "-ctv", settings.cache_type_v)
    yield from ("-fa", settings.flash_attn, "-ngl", layers)
    if settings.swa_full:
        yield "--swa-full"
    if not settings.kv_offload:
        yield "-nkvo"
    moved, experts = in_order(settings.override_tensor, settings.n_cpu_moe)
    if experts:
        yield from ("-ncmoe", str(experts))
    if settings.tensor_split:
        yield from ("-ts", ",".join(map(show_number, settings.tensor_split)))
    if moved:
        yield "-ot"
        pairs = ((pattern, names.get(target, target)) for pattern, target in moved)
        yield ",".join(f"{pattern}={target}" for pattern, target in pairs)


def figures(printed: str) -> tuple[DeviceMemory, ...]:
    """The table in the program's output, the host first, devices numbered in its order."""
    rows = [(name, *map(int, sizes)) for name, *sizes in _ROW.findall(printed)]
    devices = [row for row in rows if row[0] != "Host"]
    named = [(HOST, row) for row in rows if row[0] == "Host"]
    named += [(f"gpu{number}", row) for number, row in enumerate(devices)]
    return tuple(
        DeviceMemory(name, model * MIB, context * MIB, compute * MIB)
        for name, (_, model, context, compute) in named
    )

"""The figures of memory that a machine has to be told: GTT, the wired limit, locked memory."""

from __future__ import annotations

from typing import Final

from llmgen.machine import Machine
from llmgen.plan.plan import Plan
from llmgen.units import GIB, MIB

# `ttm.pages_limit` counts pages of 4 KiB (drivers/gpu/drm/ttm/ttm_tt.c).
PAGE_BYTES: Final = 4096
# From this Linux on amdgpu takes the size of GTT from ttm ("drm/amdgpu: Set GTT size equal to TTM
# mem limit", April 2023); before, `amdgpu.gttsize` alone said it. Since 2025 the kernel warns where
# that one is set as well ("drm/amd: Mark amdgpu.gttsize parameter as deprecated").
GTT_BY_TTM: Final = (6, 5)
# macOS lets the GPU take 2/3 of the memory on machines up to 36 GiB, 3/4 on larger ones (see
# data/profiles.toml); shares in [hardware] are rounded.
_SMALL_BYTES, _SMALL_SHARE, _SHARE, _ROUNDING = 36 * GIB, 2 / 3, 0.75, 0.005


def most_on_a_device(machine: Machine) -> int:
    """Bytes of the device that may take most; 0 without devices."""
    return max((device.memory_bytes for device in machine.devices), default=0)


def has_gtt(machine: Machine) -> bool:
    """Whether the devices take their memory from the system's by the kernel's leave."""
    amd = machine.backend in ("rocm", "vulkan") and machine.os == "linux"
    return amd and machine.unified and bool(machine.devices)


def gtt_pages(machine: Machine) -> int:
    """`ttm.pages_limit` for what [hardware] gives the devices, in pages of 4 KiB."""
    return -(-most_on_a_device(machine) // PAGE_BYTES)


def gtt_mebibytes(machine: Machine) -> int:
    """`amdgpu.gttsize` for the same, in MiB."""
    return -(-most_on_a_device(machine) // MIB)


def wired_mebibytes(machine: Machine) -> int:
    """`iogpu.wired_limit_mb` for what [hardware] gives the device, in MiB."""
    return -(-most_on_a_device(machine) // MIB)


def is_within_default(machine: Machine) -> bool:
    """Whether macOS gives the GPU that much by itself."""
    share = _SMALL_SHARE if machine.memory_bytes <= _SMALL_BYTES else _SHARE
    return most_on_a_device(machine) <= machine.memory_bytes * (share + _ROUNDING)


def locked_bytes(plan: Plan) -> int:
    """Weights that one process locks, of the model with most; 0 where `mlock` is nowhere.

    Limits are for each process (setrlimit(2)).
    """
    locking = (item for item in plan.placements if "mlock" in item.settings.load_mode)
    return max((item.model.facts.size_bytes for item in locking), default=0)

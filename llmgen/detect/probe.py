"""Look at this machine: psutil for memory, the drivers' own tools and files for devices."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from llmgen.config.tables.hardware import Backend
from llmgen.detect.devices import DRM, NVIDIA_DEVICES, amd, nvidia
from llmgen.detect.machine import FoundMachine
from llmgen.detect.obtain import TOOLS
from llmgen.detect.versions import build_number, swap_number

TIMEOUT_SECONDS = 10
PROGRAMS = (
    ("llama_server", "llama-server"),
    ("llama_swap", "llama-swap"),
    ("envoy", "envoy"),
    ("litellm", "litellm"),
    ("llmgen", "llmgen"),
)


def look(drm: Path = DRM) -> FoundMachine:
    """The machine that llmgen runs on, as far as it can be told without root."""
    import psutil  # noqa: PLC0415 - only needed where a machine is looked at

    programs = tuple(
        (key, path) for key, name in PROGRAMS if (path := shutil.which(name)) is not None
    )
    backend, devices, gtt = _devices(drm)
    memory = psutil.virtual_memory().total
    return FoundMachine(
        os="macos" if platform.system() == "Darwin" else "linux",
        backend=backend,
        memory_bytes=memory,
        home=str(Path.home()),
        devices=devices,
        gtt_bytes=gtt,
        unified=backend == "metal" or gtt > 0 or _is_spark(devices, memory),
        build=build_number(_output(dict(programs).get("llama_server", ""), "--version")) or 0,
        swap_version=swap_number(_output(dict(programs).get("llama_swap", ""), "-version")) or 0,
        programs=programs,
    )


def installers() -> tuple[str, ...]:
    """The tools of this machine that could bring a program."""
    return tuple(name for name in TOOLS if shutil.which(name))


def _devices(drm: Path) -> tuple[Backend, tuple[tuple[str, int], ...], int]:
    """Backend, devices with their bytes, and the GTT size where that is what models use."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "metal", (), 0
    nvidia = (*_nvidia(),)
    if nvidia:
        return "cuda", nvidia, 0
    return _amd(drm)


def _amd(drm: Path) -> tuple[Backend, tuple[tuple[str, int], ...], int]:
    """AMD cards by the driver's files, or an APU's shared memory."""
    found = [card for card in amd(drm) if card.total]
    named = tuple((card.name, card.total or 0) for card in found)
    shared = next((card.total or 0 for card in found if card.region == "gtt"), 0)
    return ("rocm", named, shared) if named else ("cpu", (), 0)


def _nvidia() -> Iterator[tuple[str, int]]:
    for card in nvidia(_output(*NVIDIA_DEVICES)):
        if card.total is not None:
            yield card.name, card.total
        elif "GB10" in card.name:
            # The Spark's driver reports no memory of its own: it is the system's.
            yield card.name, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _is_spark(devices: tuple[tuple[str, int], ...], memory: int) -> bool:
    return any("GB10" in name and size >= memory * 0.9 for name, size in devices)


def _output(program: str, *words: str) -> str:
    """Both streams of a program that may not be there."""
    if not program:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - an argument list of our own
            (program, *words),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr

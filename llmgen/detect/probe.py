"""Look at this machine: psutil for memory, the drivers' own tools and files for devices."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from llmgen.config.tables.hardware import Backend
from llmgen.detect.model import Found
from llmgen.doctor.rules.programs import build_number, swap_number
from llmgen.units import GIB, MIB

DRM = Path("/sys/class/drm")
TIMEOUT_SECONDS = 10
PROGRAMS = (
    ("llama_server", "llama-server"),
    ("llama_swap", "llama-swap"),
    ("envoy", "envoy"),
    ("litellm", "litellm"),
    ("llmgen", "llmgen"),
)
# An APU's carve-out can be as small as 512 MiB; then GTT is what models live in.
SMALL_CARVE_OUT_BYTES = 4 * GIB


def look(drm: Path = DRM) -> Found:
    """The machine that llmgen runs on, as far as it can be told without root."""
    import psutil  # noqa: PLC0415 - only needed where a machine is looked at

    programs = tuple(
        (key, path) for key, name in PROGRAMS if (path := shutil.which(name)) is not None
    )
    backend, devices, gtt = _devices(drm)
    memory = psutil.virtual_memory().total
    return Found(
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


def _devices(drm: Path) -> tuple[Backend, tuple[tuple[str, int], ...], int]:
    """Backend, devices with their bytes, and the GTT size where that is what models use."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "metal", (), 0
    nvidia = (*_nvidia(),)
    if nvidia:
        return "cuda", nvidia, 0
    return _amd(drm)


def _amd(drm: Path) -> tuple[Backend, tuple[tuple[str, int], ...], int]:
    """AMD cards by the driver's files: real cards first, else an APU's shared memory."""
    found = [
        (vram, _number(card / "mem_info_gtt_total"))
        for card in sorted(drm.glob("card[0-9]*/device"))
        if (vram := _number(card / "mem_info_vram_total"))
    ]
    cards = [vram for vram, _ in found if vram >= SMALL_CARVE_OUT_BYTES]
    if cards:
        return "rocm", tuple(("AMD GPU", vram) for vram in cards), 0
    shared = max((gtt for _, gtt in found), default=0)
    if shared:
        return "rocm", (("GTT of an AMD APU", shared),), shared
    return "cpu", (), 0


def _nvidia() -> Iterator[tuple[str, int]]:
    query = ("--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
    for line in _output("nvidia-smi", *query).splitlines():
        name, _, size = line.rpartition(",")
        if size.strip().isdigit():
            yield name.strip(), int(size) * MIB
        elif "GB10" in name:
            # The Spark's driver reports no memory of its own: it is the system's.
            yield name.strip(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _is_spark(devices: tuple[tuple[str, int], ...], memory: int) -> bool:
    return any("GB10" in name and size >= memory * 0.9 for name, size in devices)


def _number(path: Path) -> int:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return 0


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

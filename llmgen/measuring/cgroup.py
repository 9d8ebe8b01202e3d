"""A cgroup of the program's own, whose peak the kernel keeps between two looks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")
# Of version 2, alone and beside version 1, and of version 1: folder of the hierarchy, peak.
_KINDS: Final = (
    ("memory", "memory.max_usage_in_bytes"),
    ("unified", "memory.peak"),
    ("", "memory.peak"),
)


def place(pid: int, root: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> Path | None:
    """Where this user could make a cgroup for a process; None where that is nowhere."""
    try:
        lines = own.read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}
    for folder, peak in _KINDS:
        path = paths.get("memory" if folder == "memory" else "")
        if path is None:
            continue
        parent = root / folder / path.lstrip("/")
        # The root of version 2 has no peak of its own, and neither has a hierarchy without memory.
        if os.access(parent, os.W_OK) and _counts(parent, peak):
            return parent / f"llmgen-measure-{pid}"
    return None


def peak(folder: Path) -> int | None:
    """The most that a cgroup's processes had, file cache and kernel memory with it."""
    for name in ("memory.peak", "memory.max_usage_in_bytes"):
        try:
            return int((folder / name).read_text())
        except (OSError, ValueError):
            continue
    return None


def _counts(parent: Path, peak_file: str) -> bool:
    if peak_file == "memory.max_usage_in_bytes":
        return (parent / peak_file).exists()
    try:
        return "memory" in (parent / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False

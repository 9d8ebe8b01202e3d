"""The memory of a process and of everything that it started, as the kernel counts it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

PROC: Final = Path("/proc")
# Of pages that several processes map, each is charged its share; swapped ones are still needed.
# Huge pages of hugetlbfs are counted apart (Documentation/filesystems/proc.rst).
_COUNTED: Final = ("Pss:", "SwapPss:", "Shared_Hugetlb:", "Private_Hugetlb:")
KIB: Final = 1024


class TreeReading(Struct, frozen=True):
    """One look at a process tree, in bytes; ``busy`` is processor time in seconds."""

    host: int
    busy: float
    processes: tuple[int, ...]


def read_tree(root: int) -> TreeReading:
    """Everything below a process, without itself."""
    host, busy, seen = 0, 0.0, []
    for process in below(root):
        try:
            with process.oneshot():
                times = process.cpu_times()
                size = proportional(process.pid)
                host += process.memory_info().rss if size is None else size
                busy += times.user + times.system
        except psutil.Error:
            continue
        seen.append(process.pid)
    return TreeReading(host, busy, tuple(seen))


def below(root: int) -> list[psutil.Process]:
    """The processes that a process and its children started."""
    try:
        return psutil.Process(root).children(recursive=True)
    except psutil.Error:
        return []


def proportional(pid: int, proc: Path = PROC) -> int | None:
    """The proportional share of a process; None where the kernel does not tell this user."""
    try:
        text = (proc / str(pid) / "smaps_rollup").read_text("ascii", "replace")
    except OSError:
        return None
    return sum(_counted(text.splitlines()))


def _counted(lines: Iterable[str]) -> Iterable[int]:
    for line in lines:
        words = line.split()
        if words and words[0] in _COUNTED and words[1].isdigit():
            yield int(words[1]) * KIB

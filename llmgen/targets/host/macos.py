"""Daemons of launchd that set what macOS forgets at every boot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from llmgen.machine import Machine
from llmgen.render.header import comment
from llmgen.targets.host import system_files
from llmgen.targets.host.memory import is_within_default, most_on_a_device, wired_mebibytes
from llmgen.targets.launchd import document
from llmgen.units import show_size


def wired_limit(machine: Machine) -> bytes | None:
    """The daemon that raises the GPU's share; None where macOS gives that much by itself.

    `iogpu.wired_limit_mb` is a name of macOS 14 and later.
    """
    if machine.backend != "metal" or not machine.devices or is_within_default(machine):
        return None
    size, whole = show_size(most_on_a_device(machine)), show_size(machine.memory_bytes)
    words = ("/usr/sbin/sysctl", f"iogpu.wired_limit_mb={wired_mebibytes(machine)}")
    why = f"{size} of {whole}, as [hardware] says: more than macOS gives the GPU by itself"
    return daemon(system_files.WIRED.place, words, why)


def daemon(place: PurePosixPath, words: Sequence[str], why: str) -> bytes:
    """A property list that runs a command once, at every boot; ``why`` is its comment."""
    job: dict[str, Any] = {
        "Label": place.stem,
        "ProgramArguments": [*words],
        "RunAtLoad": True,
        "LaunchOnlyOnce": True,
    }
    first, head, rest = document(job).split(b"\n", 2)
    return b"\n".join((first, head, comment(why, "<!--").encode(), rest))

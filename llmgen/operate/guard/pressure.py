"""How short memory is: what a machine tells, as one number; pure, the readings come in."""

from __future__ import annotations

import re

from msgspec import Struct

# Share of the last ten seconds in which some task waited for memory (kernel: accounting/psi).
STALLED_PER_CENT = 10.0
# kern.memorystatus_vm_pressure_level: 1 normal, 2 warning, 4 critical (XNU, kern_memorystatus.h).
MAC_CRITICAL = 4
_SOME = re.compile(r"^some avg10=([0-9.]+)", re.MULTILINE)


class PressureReading(Struct, frozen=True):
    """One source's word: per cent of what may be used, or whether it says that it is short."""

    source: str
    used_per_cent: float
    is_short: bool
    detail: str


def of_usage(source: str, used: int, limit: int, threshold: int) -> PressureReading:
    """Usage against a limit, in bytes."""
    share = 100.0 * used / limit if limit else 0.0
    mib = f"{used // 2**20} of {limit // 2**20} MiB in use"
    return PressureReading(source, share, share >= threshold, f"{mib} ({share:.0f} %)")


def of_psi(source: str, text: str) -> PressureReading | None:
    """A pressure file's `some avg10`; None when the text has none."""
    found = _SOME.search(text)
    if found is None:
        return None
    stalled = float(found[1])
    detail = f"tasks waited for memory {stalled:g} % of the last 10 s"
    return PressureReading(source, stalled, stalled >= STALLED_PER_CENT, detail)


def of_mac(level: int) -> PressureReading:
    """The pressure level that macOS tells itself."""
    return PressureReading("macOS", 0.0, level >= MAC_CRITICAL, f"memory pressure level {level}")

"""What the budget adds to the computed figures, from their measured error."""

from __future__ import annotations

from llmgen.budget.model import DeviceMemory
from llmgen.units import MIB

# 10 % of compute and 32 MiB cover every one of 672 measured reservations.
_OF_COMPUTE_PERCENT = 10
_ABSOLUTE = 32 * MIB


def margin(memory: DeviceMemory) -> int:
    """Bytes to keep free beside ``memory``."""
    if not memory.compute:
        return 0
    return memory.compute * _OF_COMPUTE_PERCENT // 100 + _ABSOLUTE

"""What the budget adds to the computed figures, from their measured error."""

from __future__ import annotations

from llmgen.budget.model import HOST, DeviceMemory
from llmgen.units import MIB

# Of 73,515 device totals that the program reserved (published shapes and every architecture's
# fixture, 12 builds from b9464 to b11739), 10 % of compute and 32 MiB cover all but 136; the
# longest of those are indexers of qwen4exp in builds before b11352.
_OF_COMPUTE_PERCENT = 10
_ABSOLUTE = 32 * MIB
# With op offload, prompts copy host-resident experts to the device, two matrices at a time: 76 to
# 151 MiB on DeepSeek-V2-Lite, about 660 on Qwen3-Next-80B. RPC devices, and so the oracle, do not.
_COPIED_EXPERTS = 2


def margin(memory: DeviceMemory, copied_expert: int = 0) -> int:
    """Bytes to keep free beside ``memory``; ``copied_expert`` is the largest one on the host."""
    if not memory.total:
        return 0
    copied = 0 if memory.device == HOST else _COPIED_EXPERTS * copied_expert
    return memory.compute * _OF_COMPUTE_PERCENT // 100 + _ABSOLUTE + copied

"""What a device's backend takes beside the buffers that llama-server reports, with its sources.

No graph shows it, and the oracle's devices do not have it: they are CPUs behind RPC. Where there is
a card, ``tools/measure_cuda.sh`` records it beside the plan.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from llmgen.units import MIB


class BackendBytes(Struct, frozen=True):
    """Bytes of each process on each device, and where the figure comes from."""

    own: int
    source: str


BACKENDS: Final[dict[str, BackendBytes]] = {
    # Context; workspace of cuBLAS; the pool of rows that are dequantised for it.
    "cuda": BackendBytes(
        400 * MIB, "primary context 107 to 555 MiB (llama.cpp PR 23604), pools 82 to 165 MiB"
    ),
    "rocm": BackendBytes(400 * MIB, "about 0.4 GiB (Quartermaster-Labs/Quartermaster#24)"),
    "vulkan": BackendBytes(
        150 * MIB, "peak minus named buffers: 74 MiB on an RTX 3080 Ti, 142 on an RTX 3090"
    ),
    "metal": BackendBytes(0, "none apart from the buffers; the residency set counts them"),
    "cpu": BackendBytes(0, "the buffers are ordinary memory"),
}
_LIKE: Final = "cuda"

# With op offload, prompts copy matrices of experts that are on the host to the device, two at a
# time: 76 to 151 MiB on DeepSeek-V2-Lite, about 660 on Qwen3-Next-80B. RPC devices do not.
COPIED_EXPERTS: Final = 2


def backend_overhead(backend: str) -> int:
    """Bytes that one process takes on each device of ``backend``; an unknown one is like CUDA."""
    return BACKENDS.get(backend, BACKENDS[_LIKE]).own

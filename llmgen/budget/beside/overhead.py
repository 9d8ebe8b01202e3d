"""What a backend takes for itself in each process, outside of every buffer that it reports."""

from __future__ import annotations

from typing import Final

from llmgen.units import MIB

# Bytes for each process and device, with where the figure comes from.
BACKEND_OVERHEAD: Final[dict[str, tuple[int, str]]] = {
    "cuda": (400 * MIB, "primary context 107 to 555 MiB (llama.cpp PR 23604), pools 82 to 165 MiB"),
    "rocm": (400 * MIB, "about 0.4 GiB (Quartermaster-Labs/Quartermaster#24)"),
    "vulkan": (150 * MIB, "peak minus named buffers: 74 MiB on an RTX 3080 Ti, 142 on an RTX 3090"),
    "metal": (0, "none apart from the buffers; the residency set counts them"),
    "cpu": (0, "the buffers are ordinary memory"),
}


def backend_overhead(backend: str) -> int:
    """Bytes that one process takes on each device of ``backend``."""
    return BACKEND_OVERHEAD.get(backend, BACKEND_OVERHEAD["cuda"])[0]

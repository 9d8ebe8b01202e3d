"""The sizes of ggml rows in the cache types, and the rounding that the server does."""

from __future__ import annotations

from typing import Final

# Type: (elements of a block, bytes of a block); ggml_get_type_traits at b11312. These are the
# types that --cache-type-k and --cache-type-v take (common/arg.cpp).
CACHE_TYPES: Final[dict[str, tuple[int, int]]] = {
    "f32": (1, 4),
    "f16": (1, 2),
    "bf16": (1, 2),
    "q8_0": (32, 34),
    "q5_1": (32, 24),
    "q5_0": (32, 22),
    "q4_1": (32, 20),
    "q4_0": (32, 18),
    "iq4_nl": (32, 18),
}
F32: Final = 4


def row_bytes(cache_type: str, elements: int) -> int:
    """Bytes of a row of ``elements`` (ggml_row_size)."""
    block, size = CACHE_TYPES[cache_type]
    return elements // block * size


def is_quantized(cache_type: str) -> bool:
    """Whether the type packs several elements into a block."""
    return CACHE_TYPES[cache_type][0] > 1


def padded(count: int, unit: int) -> int:
    """``count`` rounded up to a multiple of ``unit``."""
    return -(-count // unit) * unit

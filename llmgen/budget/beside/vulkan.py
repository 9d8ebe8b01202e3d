"""The three buffers that ggml-vulkan makes beside the graph: X, Y and partial sums (b11434).

Each is as large as the operation that needs most of it (``prealloc_size_x``, ``_y``, ``_split_k``
and ``ggml_vk_preallocate_buffers`` in ggml-vulkan.cpp). Which of its ways a card takes, its
extensions say; here each is taken where it needs most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from llmgen.budget.beside.temporary import Temporary
from llmgen.budget.schedule.operations import Operand, Operation
from llmgen.budget.shape.rows import F32, is_quantized, padded

_F16: Final = 2
# Columns are padded to those of the widest tile.
_TILE: Final = 128
# ``ggml_vk_guess_split_k``: at most 8 parts, and no more tiles than the card has cores (192 here).
_PARTS: Final = 8
_TILES_BYTES: Final = 2 * 192 * _TILE * _TILE * F32
# Longer rows are sorted in several passes (``ggml_vk_topk``): two numbers each, twice.
_SORTED_AT_ONCE, _PASSES = 1024, 4


def vulkan_temporaries(operations: Iterable[Operation]) -> Iterator[Temporary]:
    """The three buffers."""
    found = tuple(operations)
    yield Temporary("X: a matrix, or K and V of a layer, in f16", max(map(_x, found), default=0))
    yield Temporary("Y: columns of a product", max(map(_y, found), default=0))
    yield Temporary("partial sums", max(map(_parts, found), default=0))


def _x(item: Operation) -> int:
    """Both of a cache where both are quantised; a matrix that has gaps or is f32, and is copied."""
    match item.op:
        case "FLASH_ATTN_EXT":
            caches = item.sources[1:3]
            both = all(is_quantized(part.kind) for part in caches)
            return sum(_F16 * part.elements for part in caches) if both else 0
        case "MUL_MAT" | "MUL_MAT_ID":
            matrix = item.sources[0]
            return _F16 * matrix.elements if _is_copied(matrix) else 0
        case "ARGSORT" | "TOP_K":
            columns = item.sources[0].ne[0]
            return _PASSES * F32 * item.sources[0].elements if columns > _SORTED_AT_ONCE else 0
        case _:
            return 0


def _is_copied(matrix: Operand) -> bool:
    """``x_non_contig``: parts of a cache; f32 where there are cooperative matrices."""
    return not matrix.weight_bytes or matrix.kind == "f32"


def _y(item: Operation) -> int:
    """In f16, which is more than as q8_1."""
    if item.op not in ("MUL_MAT", "MUL_MAT_ID"):
        return 0
    width, columns, *others = item.sources[1].ne
    if item.op == "MUL_MAT_ID":
        return _F16 * padded(width, _TILE) * columns * others[0] * others[1]
    return _F16 * width * padded(columns, _TILE) * others[0] * others[1]


def _parts(item: Operation) -> int:
    """Sums over parts of the rows; of attention, over parts of the cache."""
    if item.op not in ("MUL_MAT", "FLASH_ATTN_EXT"):
        return F32 * item.elements if item.op == "CUMSUM" else 0
    return min(_PARTS * F32 * item.elements, _TILES_BYTES)

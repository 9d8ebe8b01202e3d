"""The pool of ggml-cuda: what its operations take for themselves, one after the other.

ggml-cuda and ggml-hip are one source, that of b11434 here. An operation takes what it needs of the
pool (``ggml_cuda_pool_alloc``) and gives it back when it ends, so the pool is as large as the
operation that takes most; it is never made smaller. Copies of K and V for flash attention lie
behind its result in the compute buffer instead (``ggml_cuda_flash_attn_ext_get_alloc_size``), which
the replay does not have: they are counted here, wherever a build has them.

What an operation chooses at run time is taken at its largest: prompts of whole micro-batches on
NVIDIA's cards with tensor cores, on AMD's with and without.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from llmgen.budget.beside.temporary import Temporary
from llmgen.budget.schedule.operations import Operation
from llmgen.budget.shape.rows import F32, padded
from llmgen.units import MIB

# The most multiprocessors that a card has (RTX PRO 6000: 188), and blocks of attention on each.
_PROCESSORS: Final = 192
_BLOCKS: Final = 2
# Columns of a tile of attention, and of one of a product of quantised matrices (``mmq.cuh``).
_COLUMNS: Final = 64
_TILE: Final = 128
_F16: Final = 2
_FLOAT2: Final = 8
# MATRIX_ROW_PADDING; block_q8_1_mmq has 128 values in 144 bytes (``mmq.cuh``).
_ROW: Final = 512
_VALUES, _VALUES_BYTES = 128, 144
# Longer rows are sorted by CUB, in parts of so many bytes (``argsort.cu``).
_SORTED_AT_ONCE: Final = 1024
_SORTED_BYTES: Final = 64 * MIB
# SSM_SSD_CHUNK_SIZE (``ssm-scan.cu``).
_CHUNK: Final = 256

_PARTIAL: Final = "partial results of attention"
_PLAIN: Final = frozenset({"f32", "f16", "bf16"})
# Quantised, and not in the list of ``ggml_cuda_should_use_mmq``.
_DEQUANTISED: Final = frozenset({"iq1_m", "tq1_0", "tq2_0"})
# ``ggml_cuda_pool_vmm``: each part is aligned, and the pool grows by whole pages.
_ALIGNMENT: Final = 128
_PAGE: Final = 2 * MIB


def cuda_temporaries(operations: Iterable[Operation]) -> Iterator[Temporary]:
    """The operation that takes most of the pool, in whole pages; and what attention copies."""
    found = tuple(operations)
    most = _most(_taken(item) for item in found)
    yield Temporary(most.what, padded(most.bytes, _PAGE))
    yield _copies(found)


def rocm_temporaries(operations: Iterable[Operation]) -> Iterator[Temporary]:
    """The same where nothing is mapped (``GGML_HIP_NO_VMM`` is on unless it is switched off).

    ``ggml_cuda_pool_leg`` keeps every buffer that it had, each 5 % larger than asked for: prompts
    that get longer leave those of shorter ones behind, as much again while lengths double.
    """
    found = tuple(operations)
    most = _most(item for it in found for item in (_taken(it), _untiled(it)))
    yield Temporary(most.what, 2 * (most.bytes + most.bytes // 20))
    yield _copies(found)


def _most(found: Iterable[Temporary]) -> Temporary:
    return max(found, key=lambda item: (item.bytes, item.what), default=Temporary("", 0))


def _copies(found: Iterable[Operation]) -> Temporary:
    """K and V of one layer in f16, where the cache has another type.

    ``ggml_cuda_flash_attn_ext_get_f16_extra_data`` (fattn-common.cuh): the kernels for tiles and
    for tensor cores read nothing else. V that is a part of K is copied with it.
    """
    sizes = (_copied(item) for item in found if item.op == "FLASH_ATTN_EXT")
    return Temporary("K and V of a layer in f16", max(sizes, default=0), behind=True)


def _copied(item: Operation) -> int:
    parts = item.sources[1:2] if item.shared else item.sources[1:3]
    return sum(padded(_F16 * it.elements, _ALIGNMENT) for it in parts if it.kind != "f16")


def _taken(item: Operation) -> Temporary:
    match item.op:
        case "FLASH_ATTN_EXT":
            return Temporary(_PARTIAL, _tiles(item))
        case "MUL_MAT":
            return Temporary("operands of a product", _sum(_product(item)))
        case "MUL_MAT_ID":
            return Temporary("operands of experts", _sum(_experts(item)))
        case "ARGSORT" | "TOP_K":
            return Temporary("rows that are sorted", _sorting(item))
        case "SSM_SCAN":
            return Temporary("chunks of a scan", _sum(_scan(item)))
        case _:
            return Temporary(item.op.lower(), 0)


def _sum(sizes: Iterable[int]) -> int:
    return sum(padded(size, _ALIGNMENT) for size in sizes)


def _tiles(item: Operation) -> int:
    """``launch_fattn`` (fattn-common.cuh): of each block a tile and two numbers for each column."""
    width = item.sources[2].ne[0]
    return _BLOCKS * _PROCESSORS * _COLUMNS * (2 + width // 2) * _FLOAT2


def _untiled(item: Operation) -> Temporary:
    """The same without tensor cores: a result for each block that a multiprocessor has at once."""
    size = _BLOCKS * F32 * item.elements if item.op == "FLASH_ATTN_EXT" else 0
    return Temporary(_PARTIAL, size)


def _product(item: Operation) -> Iterator[int]:
    """``ggml_cuda_mul_mat``: a kernel for quantised matrices (``mmq.cu``), or cuBLAS.

    cuBLAS has both operands in the type of the matrix, and the result in it, if that is f16
    (``ggml_cuda_mul_mat_cublas_impl``); a matrix that is to be multiplied in f32 is made f32.
    """
    matrix, by = item.sources[:2]
    columns = by.elements // max(1, by.ne[0])
    if matrix.kind == "f32":
        return
    if item.precise and matrix.kind in _PLAIN:
        yield F32 * matrix.elements
    elif matrix.kind in _PLAIN:
        yield _F16 * by.elements
        yield _F16 * item.elements
    elif matrix.kind in _DEQUANTISED:
        yield _F16 * (matrix.elements + by.elements + item.elements)
    else:
        yield from _quantised(by.ne[0], columns)


def _quantised(width: int, columns: int) -> Iterator[int]:
    """``ggml_cuda_mul_mat_q``: columns as q8_1, and a tile of each multiprocessor (stream-k)."""
    yield (columns * padded(width, _ROW) // _VALUES + _TILE) * _VALUES_BYTES
    yield _PROCESSORS * _TILE * _TILE * F32


def _experts(item: Operation) -> Iterator[int]:
    """``ggml_cuda_mul_mat_id``: the same for each expert's columns.

    Without the kernel, columns are sorted by expert, and so is the result.
    """
    matrices, by, which = item.sources[:3]
    rows, width = by.ne[2] * which.ne[0], by.ne[0]
    yield 3 * F32 * rows + F32 * (matrices.ne[2] + 1)
    if matrices.kind not in _PLAIN | _DEQUANTISED:
        yield from _quantised(width, rows)
        return
    yield rows * width * (_F16 if matrices.kind in ("f16", "bf16") else F32)
    yield F32 * item.elements
    if matrices.kind in _DEQUANTISED:
        yield _F16 * (matrices.ne[0] * matrices.ne[1] + by.ne[2] * width)
    yield _F16 * by.ne[2] * item.ne[0]


def _sorting(item: Operation) -> int:
    """``argsort_f32_i32_cuda_cub``: indices, keys, keys in order, and what CUB needs for it.

    ``ggml_cuda_op_top_k`` has all indices in order first.
    """
    columns, *others = item.sources[0].ne
    if columns <= _SORTED_AT_ONCE:
        return 0
    rows = others[0] * others[1] * others[2]
    at_once = min(F32 * columns * rows, max(_SORTED_BYTES, F32 * columns))
    return (5 if item.op == "TOP_K" else 4) * at_once


def _scan(item: Operation) -> Iterator[int]:
    """``ssm_scan_ssd_f32_cuda``: states of Mamba 2 in chunks of tokens."""
    state, x, _, _, inputs = item.sources[:5]
    width, heads, tokens, slots = x.ne[0], x.ne[1], x.ne[2], x.ne[3]
    if width == 1:
        return
    size, groups = state.ne[0], inputs.ne[1]
    yield F32 * tokens * heads * slots
    yield F32 * tokens * heads * slots
    yield F32 * _CHUNK * _CHUNK * groups * slots
    yield _F16 * _CHUNK * width * heads * slots
    yield (_F16 + F32) * size * _CHUNK * heads * slots
    yield _F16 * _CHUNK * _CHUNK * heads * slots

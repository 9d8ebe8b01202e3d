"""What ggml-metal has behind the results of some operations, in the compute buffer (b11434).

``ggml_backend_metal_buffer_type_get_alloc_size`` (ggml-metal.cpp) makes those tensors larger, which
the replay does not know of: the oracle's devices are CPUs. One of them is alive at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from llmgen.budget.beside.temporary import Temporary
from llmgen.budget.schedule.operations import Operand, Operation
from llmgen.budget.shape.rows import F32, padded

_F16: Final = 2
# OP_FLASH_ATTN_EXT_NCPSG, NQPSG; workgroups of the kernel for few columns, and those columns.
_CELLS, _QUERIES = 64, 8
_GROUPS, _FEW = 32, 32


def metal_temporaries(operations: Iterable[Operation]) -> Iterator[Temporary]:
    """The largest one."""
    sizes = [_behind(item) for item in operations]
    yield max(sizes, key=lambda it: (it.bytes, it.what), default=Temporary("", 0))


def _behind(item: Operation) -> Temporary:
    match item.op:
        case "FLASH_ATTN_EXT":
            return _part("K and V of a layer in f16", sum(_attention(item)))
        case "MUL_MAT_ID":
            experts, tokens = item.sources[0].ne[2], item.sources[2].ne[1]
            return _part("columns of experts", F32 * experts * (1 + tokens))
        case "ARGSORT" | "CUMSUM":
            return _part("rows that are sorted", F32 * item.elements)
        case "TOP_K":
            return _part("rows that are sorted", 2 * F32 * item.sources[0].elements)
        case _:
            return _part(item.op.lower(), 0)


def _part(what: str, size: int) -> Temporary:
    return Temporary(what, size, behind=True)


def _attention(item: Operation) -> Iterator[int]:
    """``ggml_metal_op_flash_attn_ext_extra_*``: copies of any type, and what is beside them."""
    query, key, value, *masks = item.sources
    yield sum(padded(_F16 * it.elements, 16) for it in ((key,) if item.shared else (key, value)))
    yield _CELLS * sum(_rest(part) for part in (key, value))
    yield F32 * min(query.ne[1], _FEW) * query.ne[2] * query.ne[3] * _GROUPS * (value.ne[0] + 2)
    for mask in masks[:1]:
        cells, tokens, *others = mask.ne
        streams = others[0] * others[1]
        yield _CELLS * _F16 * tokens * streams
        yield padded(-(-cells // _CELLS) * -(-tokens // _QUERIES) * streams, 32)


def _rest(part: Operand) -> int:
    """One cell of all heads and streams, in f16 (``nb11`` of an f16 cache spans its heads)."""
    heads = part.ne[2]
    return _F16 * part.ne[0] * heads * heads * part.ne[3]

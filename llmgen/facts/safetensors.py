"""Safetensors headers: names, types and shapes of a file's tensors, nothing else read.

The format is huggingface/safetensors `safetensors/src/tensor.rs`: a length of eight bytes, that
much JSON, then data without holes. What its reader refuses is refused here.
"""

from __future__ import annotations

import json
from math import prod
from typing import Any, Final, NoReturn

from msgspec import Struct

from llmgen.facts.digest import RunningDigest
from llmgen.facts.refusals import refused, shown
from llmgen.facts.window import ByteSource, ByteWindow

# Bits of one element (safetensors 0.6, `Dtype::bitsize`).
BITS: Final = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
# `MAX_HEADER_SIZE` of the reference reader.
MOST_HEADER: Final = 100_000_000
_MOST_DIMENSIONS: Final = 8
_LARGEST: Final = 2**63 - 1
_METADATA: Final = "__metadata__"


class StoredTensor(Struct, frozen=True):
    """One tensor as a header names it."""

    name: str
    type: str
    shape: tuple[int, ...]


def tensor_bytes(kind: str, shape: tuple[int, ...]) -> int:
    """Data bytes; ValueError when the elements do not fill whole bytes."""
    whole, rest = divmod(prod(shape) * BITS[kind], 8)
    if rest:
        raise ValueError(f"a {kind} of shape {list(shape)} does not fill its last byte")
    return whole


def read_tensors(source: ByteSource, digest: RunningDigest) -> tuple[StoredTensor, ...]:
    """The tensors of one file in the order of their data; InputError says what is wrong with it."""
    window = ByteWindow(source, digest)
    begin = window.need(8, "the header's length")
    length = int.from_bytes(window.data[begin : begin + 8], "little")
    if length > MOST_HEADER:
        raise refused(
            "not-safetensors",
            f"`{source.name}` claims a header of {length} bytes; {MOST_HEADER} are the most",
            "name a .safetensors file, or download it again",
        )
    begin = window.need(length, "its header")
    text = window.data[begin : begin + length]
    window.drop()
    found = _described(source.name, text)
    _contiguous(source, 8 + length, found)
    return tuple(tensor for _, _, tensor in found)


def _described(name: str, text: bytes) -> list[tuple[int, int, StoredTensor]]:
    if not text.startswith(b"{"):
        raise refused(
            "not-safetensors", f"`{name}` is no safetensors file", "name a .safetensors file"
        )
    document = read_json(text, f"the header of `{name}`")
    if not isinstance(document, dict):
        raise _damaged(name, "is no object")
    found = [_entry(name, key, value) for key, value in document.items() if key != _METADATA]
    return sorted(found, key=lambda item: item[:2])


def read_json(text: bytes, what: str) -> Any:  # noqa: ANN401 - it is checked where it is read
    """A JSON document out of a model's files; InputError when it is none."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise refused("json", f"{what} is no JSON: {shown(reason, 120)}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _entry(name: str, key: str, value: object) -> tuple[int, int, StoredTensor]:
    match value:
        case {"dtype": str() as kind, "shape": list() as shape, "data_offsets": [begin, end]}:
            pass
        case _:
            raise _damaged(name, f"describes `{shown(key)}` without dtype, shape or data_offsets")
    if kind not in BITS:
        raise _damaged(name, f"gives `{shown(key)}` the unknown type `{shown(kind)}`")
    numbers = (*shape, begin, end)
    if any(type(item) is not int or not 0 <= item <= _LARGEST for item in numbers):
        raise _damaged(name, f"gives `{shown(key)}` an impossible shape or place")
    if len(shape) > _MOST_DIMENSIONS or prod(shape) > _LARGEST:
        raise _damaged(name, f"gives `{shown(key)}` an impossible shape or place")
    try:
        size = tensor_bytes(kind, tuple(shape))
    except ValueError as error:
        raise _damaged(name, f"is wrong in `{shown(key)}`: {error}") from None
    if end - begin != size:
        raise _damaged(name, f"gives `{shown(key)}` {end - begin} bytes; its shape needs {size}")
    return begin, end, StoredTensor(key, kind, tuple(shape))


def _contiguous(source: ByteSource, data: int, found: list[tuple[int, int, StoredTensor]]) -> None:
    at = 0
    for begin, end, tensor in found:
        if begin != at:
            where = "over another's data" if begin < at else "behind a hole"
            raise _damaged(source.name, f"places `{shown(tensor.name)}` {where}")
        at = end
    if data + at != source.size:
        raise refused(
            "truncated",
            f"`{source.name}` has {source.size} bytes; its header describes {data + at}",
        )


def _damaged(name: str, what: str) -> Exception:
    return refused("safetensors", f"the header of `{name}` {what}")

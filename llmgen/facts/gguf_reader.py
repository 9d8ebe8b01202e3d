"""A GGUF header's values and tensors, read in the order of the file."""

from __future__ import annotations

import struct
from math import isfinite, prod
from typing import Final

from msgspec import Struct

from llmgen.errors import InputError
from llmgen.facts.ggml_types import BY_ID, REMOVED, GgmlType
from llmgen.facts.gguf_facts import HeaderValue, Scalar
from llmgen.facts.refusals import refused, shown
from llmgen.facts.strings import walk
from llmgen.facts.window import LARGEST_HEADER, ByteWindow

# GGML_MAX_NAME and GGML_MAX_DIMS of ggml.h; keys by gguf.md.
LONGEST_NAME, LONGEST_KEY, MOST_DIMENSIONS = 63, 65535, 4
# Far above every published model (a few thousand tensors, some hundred keys).
MOST_TENSORS, MOST_KEYS, MOST_ELEMENTS = 200_000, 20_000, 500_000
# Longer arrays are vocabularies and tables: no rule of the budget reads one.
LONGEST_KEPT_ARRAY, LONGEST_KEPT_STRING = 4096, 4096
_U32, _STRING, _ARRAY = 4, 8, 9
_SCALARS: Final = dict(enumerate(("B", "b", "H", "h", "I", "i", "f", "?", "", "", "Q", "q", "d")))
_LARGEST: Final = 2**63 - 1


class GgufTensor(Struct, frozen=True):
    """One tensor of a header; ``shape`` has ``ne0`` first, ``offset`` counts from the data."""

    name: str
    type: str
    shape: tuple[int, ...]
    offset: int
    size_bytes: int


class Reader:
    """Values, then tensors, in the order of the file."""

    __slots__ = (
        "_dimensions",
        "_elements",
        "_endian",
        "_scalars",
        "_u32",
        "_u64",
        "_window",
        "found",
        "lengths",
    )

    def __init__(self, window: ByteWindow, endian: str) -> None:
        self._window = window
        self._endian = endian
        self._u32, self._u64 = struct.Struct(endian + "I"), struct.Struct(endian + "Q")
        self._scalars = {
            number: struct.Struct(endian + letter) for number, letter in _SCALARS.items() if letter
        }
        # Dimensions, then type and offset.
        self._dimensions = [struct.Struct(f"{endian}{n}QIQ") for n in range(MOST_DIMENSIONS + 1)]
        self.found: dict[str, HeaderValue] = {}
        self.lengths: dict[str, int] = {}
        self._elements = 0

    def counts(self) -> tuple[int, int]:
        """How many tensors and keys the header announces."""
        tensors, keys = self._long("the counts"), self._long("the counts")
        # No tensor is described in less than 24 bytes, no key in less than 13.
        for count, most, least, what in (
            (tensors, MOST_TENSORS, 24, "tensors"),
            (keys, MOST_KEYS, 13, "keys"),
        ):
            if count > most or count * least > self._window.left:
                raise refused("absurd-count", f"`{self._window.name}` announces {count} {what}")
        return tensors, keys

    def values(self, count: int) -> None:
        """Read ``count`` keys with their values into ``found`` and ``lengths``."""
        seen: set[bytes] = set()
        for _ in range(count):
            raw = self._raw("a key", LONGEST_KEY)
            key = raw.decode("utf-8", "replace")
            if not raw or raw in seen:
                what = "twice" if raw else "without a name"
                name = self._window.name
                raise refused("duplicate-key", f"`{name}` has a key {what}: `{shown(key)}`")
            seen.add(raw)
            value = self._value(key, self._int("a value's type"))
            # Nobody asks for a key that is no text.
            if value is not None and "\N{REPLACEMENT CHARACTER}" not in key:
                self.found[key] = value

    def tensors(self, count: int, alignment: int) -> tuple[GgufTensor, ...]:
        """Read ``count`` tensors, which must follow one another without a gap."""
        tensors: list[GgufTensor] = []
        seen: set[str] = set()
        offset = 0
        for _ in range(count):
            tensor = self._tensor(offset)
            if tensor.name in seen:
                raise self._refused("duplicate-tensor", tensor.name, "is described twice")
            seen.add(tensor.name)
            offset += -(-tensor.size_bytes // alignment) * alignment
            tensors.append(tensor)
        return tuple(tensors)

    def _tensor(self, expected: int) -> GgufTensor:
        window = self._window
        name = self._name()
        dimensions = self._int("a tensor")
        if dimensions > MOST_DIMENSIONS:
            raise self._refused("tensor-shape", name, f"has {dimensions} dimensions")
        fields = self._dimensions[dimensions]
        begin = window.need(fields.size, "a tensor")
        *shape, number, offset = fields.unpack_from(window.data, begin)
        kind = self._type(name, number)
        size = self._size(name, kind, tuple(shape))
        if offset != expected:
            raise self._refused(
                "tensor-offset",
                name,
                f"starts at {offset} instead of {expected}: tensors overlap or have gaps",
            )
        return GgufTensor(name, kind.name, tuple(shape) or (1,), offset, size)

    def _name(self) -> str:
        raw = self._raw("a tensor's name", LONGEST_NAME)
        name = raw.decode("utf-8", "replace")
        if not name.isprintable() or "\N{REPLACEMENT CHARACTER}" in name:
            raise self._refused("tensor-name", name, "has a name that is no text")
        return name

    def _type(self, name: str, number: int) -> GgmlType:
        kind = BY_ID.get(number)
        if kind is not None:
            return kind
        what = f"the removed type `{REMOVED[number]}`" if number in REMOVED else "unknown type"
        raise self._refused(
            "tensor-type",
            name,
            f"has {what} ({number})",
            "get a quantisation that llama.cpp itself makes",
        )

    def _size(self, name: str, kind: GgmlType, shape: tuple[int, ...]) -> int:
        if not all(shape) or prod(shape) > _LARGEST:
            raise self._refused("tensor-shape", name, f"has the impossible shape {list(shape)}")
        try:
            size = kind.tensor_bytes(shape)
        except ValueError as error:
            raise self._refused("tensor-shape", name, f"has {error}") from None
        if size > _LARGEST:
            raise self._refused("tensor-shape", name, f"has the impossible shape {list(shape)}")
        return size

    def _refused(self, code: str, tensor: str, what: str, hint: str = "") -> InputError:
        message = f"tensor `{shown(tensor)}` of `{self._window.name}` {what}"
        return refused(code, message, hint) if hint else refused(code, message)

    def _value(self, key: str, number: int) -> HeaderValue | None:
        """A value that is kept, or None: an array to skip, a long text, not a number."""
        if number == _STRING:
            return self._text(key)
        if number == _ARRAY:
            return self._array(key)
        if key == "general.alignment" and number != _U32:
            raise refused("alignment", f"`{key}` of `{self._window.name}` has the wrong type")
        value = self._numbers(key, number, 1)[0]
        return None if isinstance(value, float) and not isfinite(value) else value

    def _text(self, key: str) -> str | None:
        length = self._long(f"the value of `{shown(key)}`")
        begin = self._window.need(length, f"the value of `{shown(key)}`")
        if length > LONGEST_KEPT_STRING:
            return None
        return self._window.data[begin : begin + length].decode("utf-8", "replace")

    def _array(self, key: str) -> tuple[Scalar, ...] | None:
        number = self._int(f"the array `{shown(key)}`")
        count = self._long(f"the array `{shown(key)}`")
        self.lengths[key] = count
        if number == _STRING:
            return self._strings(key, count)
        if number == _ARRAY:
            raise refused(
                "nested-array", f"`{shown(key)}` of `{self._window.name}` is an array of arrays"
            )
        if count > LONGEST_KEPT_ARRAY:
            self._window.need(count * self._scalar(key, number).size, f"the array `{shown(key)}`")
            return None
        self._keep(count)
        values = self._numbers(key, number, count)
        return None if any(isinstance(x, float) and not isfinite(x) for x in values) else values

    def _keep(self, count: int) -> None:
        self._elements += count
        if self._elements > MOST_ELEMENTS:
            raise refused("absurd-count", f"`{self._window.name}` has too many arrays")

    def _strings(self, key: str, count: int) -> tuple[str, ...] | None:
        if count <= LONGEST_KEPT_ARRAY and not key.startswith("tokenizer."):
            self._keep(count)
            return tuple(
                self._raw(f"the array `{shown(key)}`", _LARGEST).decode("utf-8", "replace")
                for _ in range(count)
            )
        self._skip_strings(key, count)
        return None

    def _skip_strings(self, key: str, count: int) -> None:
        window, what = self._window, f"the array `{shown(key)}`"
        while count:
            if count * 8 > min(window.left, LARGEST_HEADER):
                raise refused(
                    "absurd-count", f"`{window.name}` has no room for {what} of {count} strings"
                )
            walked, window.position = walk(window.data, window.position, count, self._endian)
            count -= walked
            if count:
                window.peek(8, what)
                (length,) = self._u64.unpack_from(window.data, window.position)
                window.peek(8 + length, what)

    def _numbers(self, key: str, number: int, count: int) -> tuple[Scalar, ...]:
        size = self._scalar(key, number).size
        begin = self._window.need(size * count, f"the value of `{shown(key)}`")
        fields = struct.Struct(f"{self._endian}{count}{_SCALARS[number]}")
        return fields.unpack_from(self._window.data, begin)

    def _scalar(self, key: str, number: int) -> struct.Struct:
        if number not in self._scalars:
            raise refused(
                "value-type",
                f"`{shown(key)}` of `{self._window.name}` has the unknown type {number}",
            )
        return self._scalars[number]

    def _raw(self, what: str, longest: int) -> bytes:
        length = self._long(what)
        if length > longest:
            raise refused("long-name", f"{what} of `{self._window.name}` has {length} bytes")
        begin = self._window.need(length, what)
        return self._window.data[begin : begin + length]

    def _int(self, what: str) -> int:
        return int(self._u32.unpack_from(self._window.data, self._window.need(4, what))[0])

    def _long(self, what: str) -> int:
        begin = self._window.need(8, what)
        return int(self._u64.unpack_from(self._window.data, begin)[0])

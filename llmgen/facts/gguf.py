"""GGUF headers: from a source's first bytes to values and tensors, nothing else read.

The format is ggml-org/ggml `docs/gguf.md`; what is refused here is what ggml's own reader
(`ggml/src/gguf.cpp`) refuses, and what would need unbounded time or memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from llmgen.facts.digest import RunningDigest
from llmgen.facts.gguf_facts import HeaderValue
from llmgen.facts.gguf_reader import GgufTensor, Reader
from llmgen.facts.refusals import refused
from llmgen.facts.window import ByteSource, ByteWindow

MAGIC: Final = b"GGUF"
DEFAULT_ALIGNMENT: Final = 32


# A dataclass for its fields that do not count in comparisons.
@dataclass(frozen=True, slots=True)
class GgufHeader:
    """One file's header. ``lengths`` are the elements of every array, kept or skipped.

    ``digest`` is of its bytes, after those of the shards before it.
    """

    name: str
    version: int
    big_endian: bool
    alignment: int
    values: Mapping[str, HeaderValue]
    lengths: Mapping[str, int]
    tensors: tuple[GgufTensor, ...]
    data_offset: int
    digest: RunningDigest = field(repr=False, compare=False)


def read_header(source: ByteSource, before: GgufHeader | None = None) -> GgufHeader:
    """Read one file's header; InputError says what is wrong with it.

    ``before`` is the shard before it, whose digest goes on.
    """
    window = ByteWindow(source, before.digest if before else RunningDigest())
    version, endian = _version(window)
    reader = Reader(window, endian)
    tensor_count, key_count = reader.counts()
    reader.values(key_count)
    alignment = _alignment(window.name, reader.found)
    window.drop()
    tensors = reader.tensors(tensor_count, alignment)
    window.drop()
    data_offset = -(-window.offset // alignment) * alignment
    _inside(window, data_offset, tensors)
    return GgufHeader(
        name=window.name,
        version=version,
        big_endian=endian == ">",
        alignment=alignment,
        values=reader.found,
        lengths=reader.lengths,
        tensors=tensors,
        data_offset=data_offset,
        digest=window.digest,
    )


def _version(window: ByteWindow) -> tuple[int, str]:
    if window.source.read_at(0, 4) != MAGIC:
        raise refused("not-gguf", f"`{window.name}` is no GGUF file", "name a .gguf file")
    begin = window.need(8, "the version") + 4
    for endian in "<>":
        version = Struct(endian + "I").unpack_from(window.data, begin)[0]
        if version in {2, 3}:
            return version, endian
    little = int.from_bytes(window.data[begin : begin + 4], "little")
    raise refused(
        "gguf-version",
        f"`{window.name}` is GGUF version {little}; versions 2 and 3 can be read",
        "convert the model again with a current llama.cpp",
    )


def _alignment(name: str, values: Mapping[str, HeaderValue]) -> int:
    value = values.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(value) is not int or value <= 0 or value & (value - 1) or value >= 2**32:
        raise refused(
            "alignment", f"`general.alignment` of `{name}` is {value!r}, which is no power of two"
        )
    return value


def _inside(window: ByteWindow, data_offset: int, tensors: tuple[GgufTensor, ...]) -> None:
    if not tensors:
        return
    last = tensors[-1]
    end = data_offset + last.offset + last.size_bytes
    if end > window.size:
        raise refused(
            "incomplete",
            f"`{window.name}` has {window.size} bytes, its tensors need {end}",
            "the download is not finished, or the file was cut; download it again",
        )

"""A GGUF header out of locked facts: what a real program needs to plan a model that is not here.

Written before a hole of the data's size (a sparse file), ``llama-fit-params`` takes it for the
model itself. The vocabulary's words are not in the lock: the file has its size and no words.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import pack
from typing import Final

from llmgen.facts.ggml_types import BY_NAME
from llmgen.facts.gguf import DEFAULT_ALIGNMENT, MAGIC
from llmgen.facts.gguf_facts import GgufFacts, HeaderValue, TensorGroup

# Value types of ggml-org/ggml docs/gguf.md.
_U32, _I32, _F32, _BOOL, _STRING, _ARRAY, _U64, _I64 = 4, 5, 6, 7, 8, 9, 10, 11
_LETTERS: Final = {_U32: "I", _I32: "i", _F32: "f", _BOOL: "?", _U64: "Q", _I64: "q"}
_ELSEWHERE: Final = ("general.", "tokenizer.", "adapter.")
# llama.cpp's name for a model whose words are not in its file (src/llama-vocab.cpp).
_NO_WORDS: Final = "no_vocab"
_TOLD_ANEW: Final = frozenset({"vocab_size", "tokenizer.ggml.model", "tokenizer.ggml.pre"})


def rebuild(facts: GgufFacts) -> tuple[bytes, int]:
    """The header, and the size of the whole file that begins with it."""
    values = list(_values(facts))
    tensors = [(name, group) for group in facts.tensors for name in _names(group)]
    head = MAGIC + pack("<IQQ", 3, len(tensors), len(values))
    head += b"".join(_string(key) + _value(value) for key, value in values)
    offset, infos = 0, []
    for name, group in tensors:
        shape = pack(f"<I{len(group.shape)}Q", len(group.shape), *group.shape)
        infos.append(_string(name) + shape + pack("<IQ", BY_NAME[group.type].id, offset))
        offset += _aligned(group.bytes_each)
    head += b"".join(infos)
    head += bytes(_aligned(len(head)) - len(head))
    return head, len(head) + offset


def _values(facts: GgufFacts) -> Iterator[tuple[str, HeaderValue]]:
    yield "general.architecture", facts.architecture
    for key, value in facts.hyperparameters.items():
        if key not in _TOLD_ANEW:
            yield key if key.startswith(_ELSEWHERE) else f"{facts.architecture}.{key}", value
    yield f"{facts.architecture}.vocab_size", facts.vocabulary
    yield "tokenizer.ggml.model", _NO_WORDS
    # Encoders refuse to load without it; the lock has it only as the rows of a tensor.
    for group in facts.tensors:
        if group.pattern == "token_types.weight":
            yield "tokenizer.ggml.token_type_count", (*group.shape, 1)[1]


def _names(group: TensorGroup) -> Iterator[str]:
    if not group.layers:
        yield group.pattern
    for layer in group.layers:
        yield group.pattern.replace("#", str(layer))


def _value(value: HeaderValue) -> bytes:
    if isinstance(value, str):
        return pack("<I", _STRING) + _string(value)
    if not isinstance(value, tuple):
        kind = _kind(value)
        return pack(f"<I{_LETTERS[kind]}", kind, value)
    if value and isinstance(value[0], str):
        head = pack("<IIQ", _ARRAY, _STRING, len(value))
        return head + b"".join(_string(str(item)) for item in value)
    kinds = {_kind(item, array=True) for item in value if not isinstance(item, str)}
    kind = max(kinds, default=_I32)
    return pack(f"<IIQ{len(value)}{_LETTERS[kind]}", _ARRAY, kind, len(value), *value)


def _kind(value: float, *, array: bool = False) -> int:
    """Converters write numbers as u32, lists of them as i32, and floats as f32."""
    if isinstance(value, bool):
        return _BOOL
    # A type checker takes every int for a float.
    if type(value) is float:
        return _F32
    if array or value < 0:
        return _I32 if -(2**31) <= value < 2**31 else _I64
    return _U32 if value < 2**32 else _U64


def _string(text: str) -> bytes:
    data = text.encode("utf-8")
    return pack("<Q", len(data)) + data


def _aligned(size: int) -> int:
    return -(-size // DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT

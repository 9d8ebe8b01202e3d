"""Write GGUF files for tests: header-only (sparse data), or with random weights that run.

``gguf`` makes the bytes of a header, ``write_gguf`` a file, ``write_llama`` a small model that the
real llama-server loads and answers with.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from math import prod
from pathlib import Path

# GGUF value types (ggml-org/ggml docs/gguf.md): number, and the struct letter of scalars.
VALUE_TYPES = {
    "u8": (0, "B"),
    "i8": (1, "b"),
    "u16": (2, "H"),
    "i16": (3, "h"),
    "u32": (4, "I"),
    "i32": (5, "i"),
    "f32": (6, "f"),
    "bool": (7, "?"),
    "string": (8, ""),
    "array": (9, ""),
    "u64": (10, "Q"),
    "i64": (11, "q"),
    "f64": (12, "d"),
}
# ggml types that tests write: number, elements and bytes of a block (ggml.h).
GGML_TYPES = {
    "f32": (0, 1, 4),
    "f16": (1, 1, 2),
    "q4_0": (2, 32, 18),
    "q4_1": (3, 32, 20),
    "q5_0": (6, 32, 22),
    "q5_1": (7, 32, 24),
    "q8_0": (8, 32, 34),
    "q2_K": (10, 256, 84),
    "q3_K": (11, 256, 110),
    "q4_K": (12, 256, 144),
    "q5_K": (13, 256, 176),
    "q6_K": (14, 256, 210),
    "i32": (26, 1, 4),
    "i64": (27, 1, 8),
    "bf16": (30, 1, 2),
    "mxfp4": (39, 32, 17),
}


@dataclass(frozen=True)
class Typed:
    """A value whose GGUF type is said, for arrays the type of the elements."""

    type: str
    value: object


@dataclass(frozen=True)
class Tensor:
    """A tensor to write; ``shape`` in ggml's order. ``type`` may be a number that nobody knows."""

    name: str
    shape: tuple[int, ...]
    type: str | int = "f16"
    offset: int | None = None

    @property
    def size(self):
        if isinstance(self.type, int):
            return 0
        _, block, size = GGML_TYPES[self.type]
        return prod(self.shape) // block * size


def gguf(
    metadata: Mapping[str, object] | Sequence[tuple[str, object]],
    tensors: Sequence[Tensor] = (),
    *,
    version: int = 3,
    endian: str = "<",
    alignment: int = 32,
    magic: bytes = b"GGUF",
) -> bytes:
    """The header, padded to ``alignment``: what stands before the tensor data."""
    pairs = list(metadata.items() if isinstance(metadata, Mapping) else metadata)
    if alignment != 32 and "general.alignment" not in dict(pairs):
        pairs.append(("general.alignment", alignment))
    out = bytearray(magic + struct.pack(endian + "IQQ", version, len(tensors), len(pairs)))
    for key, value in pairs:
        number, data = _value(value, endian)
        out += _string(key, endian) + struct.pack(endian + "I", number) + data
    offset = 0
    for tensor in tensors:
        number = tensor.type if isinstance(tensor.type, int) else GGML_TYPES[tensor.type][0]
        place = offset if tensor.offset is None else tensor.offset
        out += _string(tensor.name, endian)
        out += struct.pack(f"{endian}I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        out += struct.pack(endian + "IQ", number, place)
        offset += _padded(tensor.size, alignment)
    return bytes(out) + bytes(-len(out) % alignment)


def write_gguf(
    path: Path,
    metadata: Mapping[str, object] | Sequence[tuple[str, object]],
    tensors: Sequence[Tensor] = (),
    *,
    data: str = "sparse",
    seed: int = 0,
    alignment: int = 32,
    **header,
) -> Path:
    """A GGUF file of its full size; its data a hole (``sparse``), zeros that fill the disk
    (``zero``), or ``random`` (f32 and f16 only; norms are ones, other types zeros)."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    head = gguf(metadata, tensors, alignment=alignment, **header)
    with path.open("wb") as file:
        file.write(head)
        if data == "sparse":
            file.truncate(len(head) + sum(_padded(item.size, alignment) for item in tensors))
        elif data == "random":
            file.write(_random(seed, tuple(tensors), alignment))
        else:
            for item in tensors:
                file.write(bytes(_padded(item.size, alignment)))
    return path


@lru_cache(maxsize=32)
def _random(seed: int, tensors: tuple[Tensor, ...], alignment: int) -> bytes:
    """The data of all tensors; hundreds of tests start from the same few models."""
    source = import_module("numpy.random").default_rng(seed)
    parts = (_weights(item, source) for item in tensors)
    return b"".join(part + bytes(-len(part) % alignment) for part in parts)


def write_split(
    folder: Path, name: str, metadata: Mapping[str, object], shards: Sequence[Sequence[Tensor]]
) -> list[Path]:
    """A split model as llama-gguf-split writes it: ``NAME-00001-of-0000N.gguf`` and its siblings."""
    total, count = len(shards), sum(len(tensors) for tensors in shards)
    paths = []
    for number, tensors in enumerate(shards):
        split = {
            "split.no": Typed("u16", number),
            "split.count": Typed("u16", total),
            "split.tensors.count": Typed("i32", count),
        }
        head = {**metadata, **split} if number == 0 else split
        path = Path(folder) / f"{name}-{number + 1:05d}-of-{total:05d}.gguf"
        paths.append(write_gguf(path, head, tensors))
    return paths


# What makes ``llama(architecture="qwen3")`` with its default width a reranker.
RERANKER = {
    "more": {"qwen3.pooling_type": 4, "qwen3.classifier.output_labels": ["yes", "no"]},
    "more_tensors": (Tensor("cls.output.weight", (64, 2)),),
}


def vocabulary(size: int) -> dict[str, object]:
    """A SentencePiece vocabulary that llama.cpp accepts: specials, bytes, made-up words."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [2, 3, 3, *[6] * 256]
    letters = [chr(97 + i) for i in range(26)]
    words = [*letters, "▁", *("▁" + a for a in letters), *(a + b for a in letters for b in letters)]
    tokens += [word if i < len(words) else f"{word}{i}" for i, word in _cycle(words, size)]
    tokens, kinds = tokens[:size], (kinds + [1] * size)[:size]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": Typed("f32", [-float(i) for i in range(size)]),
        "tokenizer.ggml.token_type": Typed("i32", kinds),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }


def llama(
    *,
    architecture: str = "llama",
    layers: int = 2,
    embedding: int = 64,
    heads: int = 4,
    heads_kv: int = 2,
    feed_forward: int = 128,
    context: int = 4096,
    vocabulary_size: int = 512,
    weights: str = "f16",
    tied: bool = False,
    more: Mapping[str, object] | None = None,
    more_tensors: Sequence[Tensor] = (),
) -> tuple[dict[str, object], list[Tensor]]:
    """Metadata and tensors of a small model of the llama shape (``qwen3`` gets its extra norms)."""
    head = embedding // heads
    metadata: dict[str, object] = {
        "general.architecture": architecture,
        "general.name": f"tiny {architecture}",
        f"{architecture}.block_count": layers,
        f"{architecture}.context_length": context,
        f"{architecture}.embedding_length": embedding,
        f"{architecture}.feed_forward_length": feed_forward,
        f"{architecture}.attention.head_count": heads,
        f"{architecture}.attention.head_count_kv": heads_kv,
        f"{architecture}.attention.key_length": head,
        f"{architecture}.attention.value_length": head,
        f"{architecture}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{architecture}.rope.dimension_count": head,
        f"{architecture}.vocab_size": vocabulary_size,
        **vocabulary(vocabulary_size),
        **(more or {}),
    }
    tensors = [Tensor("token_embd.weight", (embedding, vocabulary_size), weights)]
    for il in range(layers):
        shapes = {
            "attn_norm": (embedding,),
            "attn_q": (embedding, heads * head),
            "attn_k": (embedding, heads_kv * head),
            "attn_v": (embedding, heads_kv * head),
            "attn_output": (heads * head, embedding),
            "ffn_norm": (embedding,),
            "ffn_gate": (embedding, feed_forward),
            "ffn_up": (embedding, feed_forward),
            "ffn_down": (feed_forward, embedding),
        }
        if architecture == "qwen3":
            shapes |= {"attn_q_norm": (head,), "attn_k_norm": (head,)}
        tensors += [
            Tensor(f"blk.{il}.{name}.weight", shape, "f32" if len(shape) == 1 else weights)
            for name, shape in shapes.items()
        ]
    tensors.append(Tensor("output_norm.weight", (embedding,), "f32"))
    if not tied:
        tensors.append(Tensor("output.weight", (embedding, vocabulary_size), weights))
    return metadata, [*tensors, *more_tensors]


def write_llama(path: Path, *, data: str = "random", seed: int = 0, **shape) -> Path:
    """A small model with random weights that llama-server loads; ``shape`` as in ``llama``.

    For an embedding server add ``more={"llama.pooling_type": 1}``; a reranker is
    ``architecture="qwen3", **RERANKER``.
    """
    metadata, tensors = llama(**shape)
    return write_gguf(path, metadata, tensors, data=data, seed=seed)


def _cycle(words, size):
    return [(i, words[i % len(words)]) for i in range(size)]


def _padded(size, alignment):
    return -(-size // alignment) * alignment


def _string(text, endian):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack(endian + "Q", len(data)) + data


def _value(value, endian):
    match value:
        case Typed(name, list() | tuple() as items):
            number, letter = VALUE_TYPES[name]
            head = struct.pack(endian + "IQ", number, len(items))
            if letter:
                return 9, head + struct.pack(f"{endian}{len(items)}{letter}", *items)
            parts = (_value(item, endian)[1] for item in items)
            return 9, head + b"".join(parts)
        case Typed(name, single):
            number, letter = VALUE_TYPES[name]
            return number, struct.pack(endian + letter, single)
        case list() | tuple():
            return _value(Typed(_kind(value[0]) if value else "i32", value), endian)
        case str() | bytes():
            return 8, _string(value, endian)
        case _:
            number, letter = VALUE_TYPES[_kind(value)]
            return number, struct.pack(endian + letter, value)


def _kind(value):
    match value:
        case bool():
            return "bool"
        case int():
            return "u32" if 0 <= value < 2**32 else "i32" if -(2**31) <= value < 0 else "u64"
        case float():
            return "f32"
        case str() | bytes():
            return "string"
        case _:
            return "array"


def _weights(tensor, source):
    count = prod(tensor.shape)
    if tensor.type == "f32" and "norm" in tensor.name:
        return array("f", [1.0]).tobytes() * count
    if tensor.type in ("f32", "f16"):
        return source.normal(0, 0.05, count).astype(f"<f{tensor.size // count}").tobytes()
    return bytes(tensor.size)

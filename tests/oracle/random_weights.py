"""Models of true shapes with random weights: every block of a quantised tensor is one that the format has.

Layouts of blocks: ggml/src/ggml-common.h of llama.cpp b11434.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

from gguf_writer import GGML_TYPES, Tensor, gguf, vocabulary

from oracle.headers import metadata, tensors
from oracle.shapes import SHAPES

# Blocks that differ; tensors repeat them.
_BLOCKS = 4096
_ALIGNMENT = 32
# Scales that make weights of a few hundredths.
_SCALE = struct.pack("<e", 0.0003)
_SCALES_K = struct.pack("<ee", 1e-4, 7.5e-4)
_EXPONENT = bytes([120])

_MADE: dict[str, Callable[[random.Random], bytes]] = {
    "f32": lambda source: struct.pack("<f", source.gauss(0, 0.05)),
    "f16": lambda source: struct.pack("<e", source.gauss(0, 0.05)),
    "q8_0": lambda source: _SCALE + source.randbytes(32),
    "q4_K": lambda source: _SCALES_K + source.randbytes(140),
    "q5_K": lambda source: _SCALES_K + source.randbytes(172),
    "q6_K": lambda source: source.randbytes(208) + struct.pack("<e", 1e-5),
    "mxfp4": lambda source: _EXPONENT + source.randbytes(16),
}


def write_random(path: Path, name: str) -> Path:
    """The model ``name`` of ``SHAPES`` with a vocabulary, so that llama-server answers with it."""
    shape = SHAPES[name]
    words = {**metadata(shape), **vocabulary(shape.vocabulary)}
    held = tensors(shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(gguf(words, held, alignment=_ALIGNMENT))
        for tensor in held:
            _fill(file, tensor)
    return path


def _fill(file, tensor: Tensor) -> None:
    rest = tensor.size + -tensor.size % _ALIGNMENT
    some = blocks("one" if "norm" in tensor.name else tensor.type)
    while rest > 0:
        rest -= file.write(some[:rest])


@cache
def blocks(kind: str) -> bytes:
    """Some blocks of a type; ``one`` are f32 of a norm."""
    if kind == "one":
        return struct.pack("<f", 1.0) * _BLOCKS
    source = random.Random(kind)
    found = b"".join(_MADE[kind](source) for _ in range(_BLOCKS))
    assert len(found) == _BLOCKS * GGML_TYPES[kind][2]
    return found

"""Damaged headers: each is refused with a message or read to the same facts as ggml reads.

``python tests/fuzz/fuzz_header.py [--runs N] [--seed S]``. The seed gives the same mutations
everywhere. Where llama.cpp is installed (tests/readers), ggml's own reader judges every
little-endian header too: what it refuses must be refused here, and what both accept must agree.
"""

from __future__ import annotations

import argparse
import ctypes
import random
import resource
import signal
import struct
import sys
from collections import Counter
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "facts"))
import readers
from byte_source import Bytes
from gguf_writer import Tensor, Typed, gguf, llama

from llmgen.errors import InputError
from llmgen.facts.gguf import read_header
from llmgen.facts.gguf_facts import ModelFile
from llmgen.facts.header import describe
from llmgen.facts.lock import Entry, Lock, parse_lock, render_lock

INTERESTING = [0, 1, 2, 3, 4, 7, 8, 9, 12, 13, 31, 32, 33, 255, 256, 4096, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1]  # fmt: skip
# What llmgen refuses on purpose although ggml reads it: limits of time and memory, files that end
# before their data (ggml looks only at the header), tensors that no model has.
STRICTER = {
    "facts.absurd-count", "facts.header-too-large", "facts.long-name", "facts.incomplete",
    "facts.tensor-shape", "facts.tensor-name", "facts.no-architecture", "facts.shard-missing",
    "facts.shard-order", "facts.shard-tensors",
}  # fmt: skip
# A run that takes longer hangs; one that needs more memory is unbounded.
SECONDS, BYTES = 20, 4 * 2**30


def bases() -> list[bytes]:
    """Sound headers to damage."""
    small, tensors = llama(layers=2, vocabulary_size=300)
    every = {
        "general.architecture": "x",
        "general.alignment": 64,
        **{f"x.{name}": Typed(name, 1) for name in ("u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64")},
        "x.f32": 0.5, "x.f64": Typed("f64", 0.25), "x.bool": True, "x.text": "text" * 20,
        "x.list": Typed("u32", list(range(70))), "x.names": ["a", "bb", ""],
        "x.flags": Typed("bool", [True, False]), "tokenizer.ggml.tokens": ["t" * (i % 60) for i in range(200)],
    }  # fmt: skip
    kinds = ("f32", "f16", "q8_0", "q4_K", "q6_K", "mxfp4", "bf16", "i32", "q4_0")
    mixed = [Tensor(f"blk.{i}.w.weight", (256, 3 + i), kind) for i, kind in enumerate(kinds)]
    split = {
        "split.no": Typed("u16", 0),
        "split.count": Typed("u16", 1),
        "split.tensors.count": Typed("i32", 9),
    }
    clip = {
        "general.architecture": "clip",
        "clip.has_vision_encoder": True,
        "clip.vision.image_mean": [0.5, 0.5],
    }
    return [
        gguf(small, tensors),
        gguf(small, tensors, version=2),
        gguf(small, tensors, endian=">"),
        gguf(every, mixed, alignment=64),
        gguf(every, mixed, alignment=64, endian=">"),
        gguf({**every, **split}, mixed, alignment=64),
        gguf(clip, [Tensor("v.blk.0.ln1.weight", (64,), "f32"), Tensor("mm.0.weight", (64, 64))]),
    ]


def mutated(whole: list[bytes], source: random.Random) -> bytes:
    """A damaged copy of one of them."""
    data = bytearray(source.choice(whole))
    for _ in range(source.choice((1, 1, 1, 2, 3, 8))):
        at = source.randrange(max(1, len(data)))
        match source.randrange(8):
            case 0:
                data[at : at + 1] = bytes([source.randrange(256)])
            case 1:
                data[at : at + 1] = bytes([(data[at] if data else 0) ^ 1 << source.randrange(8)])
            case 2:
                del data[at:]
            case 3:
                del data[at : at + source.randrange(1, 40)]
            case 4:
                data[at:at] = data[at : at + source.randrange(1, 200)]
            case 5:
                data[at : at + 8] = struct.pack(
                    source.choice("<>") + "Q", source.choice(INTERESTING)
                )
            case 6:
                number = source.choice(INTERESTING) % 2**32
                data[at : at + 4] = struct.pack(source.choice("<>") + "I", number)
            case 7:
                other = source.choice(whole)
                begin = source.randrange(len(other))
                data[at : at + 64] = other[begin : begin + source.randrange(1, 200)]
    return bytes(data)


class Ggml:
    """ggml's own reader, called in its library."""

    def __init__(self, library: Path) -> None:
        self._lib = lib = ctypes.CDLL(str(library))
        self._quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(
            lambda *_: None
        )
        lib.ggml_log_set(self._quiet, None)
        lib.gguf_init_from_buffer.argtypes = [ctypes.c_char_p, ctypes.c_size_t, _Parameters]
        lib.gguf_init_from_buffer.restype = ctypes.c_void_p
        lib.ggml_type_name.argtypes, lib.ggml_type_name.restype = [ctypes.c_int], ctypes.c_char_p
        context, index = ctypes.c_void_p, ctypes.c_int64
        for name, result in {
            "gguf_get_n_tensors": index, "gguf_get_data_offset": ctypes.c_size_t,
            "gguf_get_alignment": ctypes.c_size_t, "gguf_get_n_kv": index,
        }.items():  # fmt: skip
            getattr(lib, name).argtypes, getattr(lib, name).restype = [context], result
        for name, result in {
            "gguf_get_tensor_name": ctypes.c_char_p, "gguf_get_tensor_offset": ctypes.c_size_t,
            "gguf_get_tensor_size": ctypes.c_size_t, "gguf_get_tensor_type": ctypes.c_int,
        }.items():  # fmt: skip
            getattr(lib, name).argtypes, getattr(lib, name).restype = [context, index], result
        lib.gguf_free.argtypes = [context]

    def read(self, data: bytes):
        """None when it refuses; else alignment, data offset and tensors."""
        lib = self._lib
        context = lib.gguf_init_from_buffer(data, len(data), _Parameters(True, None))
        if not context:
            return None
        tensors = [
            (
                lib.gguf_get_tensor_name(context, i),
                lib.ggml_type_name(lib.gguf_get_tensor_type(context, i)).decode(),
                lib.gguf_get_tensor_offset(context, i),
                lib.gguf_get_tensor_size(context, i),
            )
            for i in range(lib.gguf_get_n_tensors(context))
        ]
        found = (lib.gguf_get_alignment(context), lib.gguf_get_data_offset(context), tensors)
        lib.gguf_free(context)
        return found


class _Parameters(ctypes.Structure):
    _fields_ = [("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p)]


def ggml() -> Ggml | None:
    """The library beside the installed llama-server, where there is one."""
    server = readers.find("llama-server")
    library = server.parent / "libggml-base.so" if server else None
    return Ggml(library) if library and library.exists() else None


def check(data: bytes, size: int, judge: Ggml | None) -> str:
    """Read a header; the outcome in a word, AssertionError when it is wrong."""
    theirs = judge.read(data) if judge else None
    try:
        header = read_header(Bytes(data, size=size))
        facts = describe([header], [ModelFile("m.gguf", size)])
    except InputError as error:
        (found,) = error.diagnostics
        assert found.message, "a refusal says something"
        assert found.hint, "a refusal says what to do"
        assert theirs is None or found.code in STRICTER, f"{found.code}: {found.message}"
        return found.code
    assert sum(group.bytes_total for group in facts.tensors) == sum(
        t.size_bytes for t in header.tensors
    )
    assert sum(group.count for group in facts.tensors) == len(header.tensors)
    end = max((tensor.offset + tensor.size_bytes for tensor in header.tensors), default=0)
    assert header.data_offset + end <= size or not header.tensors
    lock = Lock({"file:m.gguf": Entry(facts)})
    assert parse_lock(render_lock(lock), "llm.lock") == lock
    # ggml wants the padding after the header too, even where no data follows in the buffer.
    if judge and not header.big_endian and header.data_offset <= len(data):
        assert theirs is not None, "ggml refuses what llmgen reads"
        alignment, offset, tensors = theirs
        assert (alignment, len(tensors)) == (header.alignment, len(header.tensors))
        assert not tensors or offset == header.data_offset
        ours = [(t.name.encode(), t.type.lower(), t.offset, t.size_bytes) for t in header.tensors]
        assert [(name, kind.lower(), *rest) for name, kind, *rest in tensors] == ours
    return "read"


def run(runs: int, seed: int, judge: Ggml | None) -> tuple[Counter[str], float]:
    """How often each outcome came, and the longest time of one."""
    whole, outcomes, longest = bases(), Counter[str](), 0.0
    for data in whole:
        assert check(data, 2**40, judge) == "read", "the undamaged headers are sound"
    for number in range(runs):
        source = random.Random(f"{seed}/{number}")
        data = mutated(whole, source) + bytes(source.choice((0, 4096)))
        size = len(data) + source.choice((0, 100_000, 2**40))
        signal.alarm(SECONDS)
        begin = perf_counter()
        try:
            outcomes[check(data, size, judge)] += 1
        except Exception as error:
            error.add_note(f"mutation {seed}/{number}, {len(data)} bytes of {size}")
            raise
        longest = max(longest, perf_counter() - begin)
    signal.alarm(0)
    return outcomes, longest


def main() -> None:
    """Run and print the outcomes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    judge = ggml()
    outcomes, longest = run(options.runs, options.seed, judge)
    print(
        f"{options.runs} damaged headers, seed {options.seed}, ggml {'judges' if judge else 'is not here'}"
    )
    for code, count in outcomes.most_common():
        print(f"{count:9} {code}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"longest {longest * 1e3:.0f} ms, peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()

import struct

import pytest
from byte_source import Bytes
from gguf_writer import Tensor, Typed, gguf, llama

from llmgen.errors import InputError
from llmgen.facts.gguf import read_header

META = {"general.architecture": "llama", "llama.block_count": 2}
TENSORS = [Tensor("token_embd.weight", (64, 100), "q8_0"), Tensor("blk.0.a.weight", (64,), "f32")]


def read(metadata=META, tensors=TENSORS, size=10**6, **header):
    return read_header(Bytes(gguf(metadata, tensors, **header), size=size))


def refusal(data, size=10**12):
    with pytest.raises(InputError) as caught:
        read_header(Bytes(data, size=size if size is not None else len(data)))
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_every_value_type_is_read(version, endian):
    values = {
        name: Typed(name, value)
        for name, value in {
            "u8": 200, "i8": -3, "u16": 65535, "i16": -300, "u32": 2**32 - 1, "i32": -5, "f32": 0.5,
            "bool": True, "u64": 2**63, "i64": -(2**62), "f64": 1e300,
        }.items()
    }  # fmt: skip
    values |= {
        "string": "größe",
        "list": Typed("u16", [1, 2, 3]),
        "names": ["a", "b"],
        "none": Typed("i32", []),
    }
    header = read(values, TENSORS, version=version, endian=endian)
    assert header.values == {
        "u8": 200, "i8": -3, "u16": 65535, "i16": -300, "u32": 2**32 - 1, "i32": -5, "f32": 0.5,
        "bool": True, "u64": 2**63, "i64": -(2**62), "f64": 1e300,
        "string": "größe", "list": (1, 2, 3), "names": ("a", "b"), "none": (),
    }  # fmt: skip
    assert (header.version, header.big_endian) == (version, endian == ">")
    assert [tensor.size_bytes for tensor in header.tensors] == [6800, 256]


def test_tensors_have_ggml_shape_and_type():
    (tensor, _) = read().tensors
    assert (tensor.name, tensor.type, tensor.shape) == ("token_embd.weight", "q8_0", (64, 100))


def test_alignment_of_the_header_moves_tensors():
    header = read(META, TENSORS, alignment=1024)
    assert header.tensors[1].offset == 7168
    assert header.data_offset % 1024 == 0


def test_vocabulary_is_counted_and_not_kept():
    tokens = [f"t{i}" * (1 + i % 30) for i in range(5000)]
    header = read({**META, "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.scores": [0.5] * 5000})
    assert header.lengths == {"tokenizer.ggml.tokens": 5000, "tokenizer.ggml.scores": 5000}
    assert not any(key.startswith("tokenizer") for key in header.values)


def test_only_the_header_is_read():
    data = gguf(*llama())
    source = Bytes(data + bytes(20 * 2**20))
    read_header(source)
    assert source.bytes_read <= 2**20


def test_values_that_are_no_numbers_are_left_out():
    header = read({**META, "a": float("nan"), "b": float("inf"), "c": [1.0, float("nan")]})
    assert header.values == META


def test_every_prefix_of_a_header_is_refused():
    data = gguf(META, TENSORS)
    end = read().data_offset - 31
    for length in range(end):
        assert refusal(data[:length], None).code.startswith("facts.")


def counts(tensors, keys, version=3):
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GGML" + bytes(100), "not-gguf"),
        (b"", "not-gguf"),
        (counts(0, 0, version=1), "gguf-version"),
        (counts(0, 0, version=4), "gguf-version"),
        (counts(2**63, 0), "absurd-count"),
        (counts(0, 2**40), "absurd-count"),
        (counts(10**6, 1), "absurd-count"),
        (counts(0, 1) + struct.pack("<Q", 10 * 2**30), "long-name"),
        (counts(0, 1) + struct.pack("<Q1sIQ", 1, b"k", 8, 10 * 2**30), "header-too-large"),
        (counts(0, 1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 8, 2**61), "absurd-count"),
        (counts(0, 1) + struct.pack("<Q1sIIQQ", 1, b"k", 9, 8, 2, 10 * 2**30), "header-too-large"),
        (counts(0, 1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 4, 2**60), "truncated"),
        (counts(0, 1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 9, 1), "nested-array"),
        (counts(0, 1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 77, 1), "value-type"),
        (counts(0, 1) + struct.pack("<Q1sI", 1, b"k", 13), "value-type"),
        (gguf([("a", 1), ("a", 2)]), "duplicate-key"),
        (gguf([("", 1)]), "duplicate-key"),
        (gguf({"general.alignment": 48}), "alignment"),
        (gguf({"general.alignment": 0}), "alignment"),
        (gguf({"general.alignment": "32"}), "alignment"),
        (gguf({}, [Tensor("a", (32,)), Tensor("a", (32,))]), "duplicate-tensor"),
        (gguf({}, [Tensor("a", (32, 0))]), "tensor-shape"),
        (gguf({}, [Tensor("a", (2**40, 2**40))]), "tensor-shape"),
        (gguf({}, [Tensor("a", (2**63, 2))]), "tensor-shape"),
        (gguf({}, [Tensor("a", (1, 1, 1, 1, 1))]), "tensor-shape"),
        (gguf({}, [Tensor("a", (33,), "q8_0")]), "tensor-shape"),
        (gguf({}, [Tensor("a", (32,)), Tensor("b", (32,), offset=32)]), "tensor-offset"),
        (gguf({}, [Tensor("a", (32,)), Tensor("b", (32,), offset=2**62)]), "tensor-offset"),
        (gguf({}, [Tensor("n" * 64, (32,))]), "long-name"),
    ],
)  # fmt: skip
def test_hostile_header_is_refused(data, code):
    assert refusal(data + bytes(10**4)).code == f"facts.{code}"


@pytest.mark.parametrize("number", [4, 5, 31, 32, 33, 36, 37, 38, 43, 99, 137, 2**32 - 1])
def test_type_that_llama_cpp_cannot_load_is_named(number):
    found = refusal(gguf({}, [Tensor("blk.0.x", (32,), number)]))
    assert found.code == "facts.tensor-type"
    assert f"({number})" in found.message
    assert "`blk.0.x`" in found.message


def test_file_without_all_its_tensors_is_incomplete():
    data = gguf(META, TENSORS)
    assert refusal(data, len(data) + 100).code == "facts.incomplete"


def test_string_with_control_characters_is_shown_printable():
    assert "\x1b" not in refusal(gguf({}, [Tensor("\x1b[31m", (0,))])).message

from math import prod

from byte_source import Bytes
from gguf_writer import GGML_TYPES, Tensor, Typed, gguf
from hypothesis import given
from hypothesis import strategies as st

from llmgen.facts.gguf import read_header
from llmgen.facts.gguf_facts import ModelFile
from llmgen.facts.header import describe
from llmgen.facts.lock import Entry, Lock, parse_lock, render_lock

BITS = {"u8": (0, 8), "i8": (1, 7), "u16": (0, 16), "i16": (1, 15), "u32": (0, 32), "i32": (1, 31), "u64": (0, 64), "i64": (1, 63)}  # fmt: skip
names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=15)


@st.composite
def numbers(draw, kind):
    signed, bits = BITS[kind]
    return draw(st.integers(-(2**bits) if signed else 0, 2**bits - 1))


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def values(draw):
    """What is written, and what is to be read."""
    kind = draw(st.sampled_from([*BITS, "f32", "f64", "bool", "string"]))
    one = {
        **{name: numbers(name) for name in BITS},
        "f32": floats,
        "f64": st.floats(allow_nan=False, allow_infinity=False),
        "bool": st.booleans(),
        "string": st.text(max_size=50),
    }[kind]
    if draw(st.booleans()):
        value = draw(one)
        return (value if kind == "string" else Typed(kind, value)), value
    items = draw(st.lists(one, max_size=8))
    return Typed(kind, items), tuple(items)


@st.composite
def tensors(draw):
    kind = draw(st.sampled_from(sorted(GGML_TYPES)))
    block = GGML_TYPES[kind][1]
    rest = draw(st.lists(st.integers(1, 2**12), max_size=3))
    return kind, (block * draw(st.integers(1, 64)), *rest)


@given(
    st.dictionaries(names.filter(lambda name: name != "general.alignment"), values(), max_size=6),
    st.dictionaries(
        names.filter(lambda name: "#" not in name and len(name.encode()) < 60),
        tensors(),
        max_size=6,
    ),
    st.sampled_from([2, 3]),
    st.sampled_from("<>"),
    st.sampled_from([8, 32, 256]),
)
def test_what_is_written_is_read(pairs, shapes, version, endian, alignment):
    metadata = {f"x.{key}": written for key, (written, _) in pairs.items()}
    listed = [Tensor(name, shape, kind) for name, (kind, shape) in shapes.items()]
    data = gguf(
        {"general.architecture": "x", **metadata},
        listed,
        version=version,
        endian=endian,
        alignment=alignment,
    )
    header = read_header(Bytes(data, size=2**62))
    assert {key: header.values[key] for key in metadata} == {
        f"x.{key}": value for key, (_, value) in pairs.items()
    }
    assert [(t.name, t.shape, t.size_bytes) for t in header.tensors] == [
        (t.name, t.shape, t.size) for t in listed
    ]
    facts = describe([header], [ModelFile("m.gguf", 5)])
    assert sum(prod(group.shape) * group.count for group in facts.tensors) == sum(
        prod(t.shape) for t in listed
    )
    lock = Lock({"file:m.gguf": Entry(facts)})
    assert parse_lock(render_lock(lock), "llm.lock") == lock

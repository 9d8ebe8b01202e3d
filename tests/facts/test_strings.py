import struct

import pytest
from byte_source import Bytes
from gguf_writer import gguf
from hypothesis import given
from hypothesis import strategies as st

from llmgen.facts.gguf import read_header
from llmgen.facts.strings import walk

lengths = st.lists(
    st.one_of(st.integers(0, 45), st.sampled_from([255, 256, 257, 300, 65536])), max_size=160
)


def packed(sizes, endian):
    return b"".join(struct.pack(endian + "Q", size) + b"\x00" * size for size in sizes)


@given(lengths, st.sampled_from("<>"))
def test_walk_ends_where_the_strings_end(sizes, endian):
    data = packed(sizes, endian)
    assert walk(b"xyz" + data + bytes(99), 3, len(sizes), endian) == (len(sizes), 3 + len(data))


@given(lengths, st.sampled_from("<>"), st.data())
def test_walk_stops_at_the_last_whole_string(sizes, endian, data):
    whole = packed(sizes, endian)
    cut = data.draw(st.integers(0, len(whole)))
    walked, end = walk(whole[:cut], 0, len(sizes), endian)
    assert end == len(packed(sizes[:walked], endian)) <= cut
    assert walked == len(sizes) or len(packed(sizes[: walked + 1], endian)) > cut


@pytest.mark.parametrize("endian", ["<", ">"])
def test_a_vocabulary_larger_than_one_piece_is_walked(endian):
    tokens = ["x" * (i % 70) for i in range(60_000)]
    data = gguf({"tokenizer.ggml.tokens": tokens, "after": 7}, endian=endian)
    header = read_header(Bytes(data))
    assert header.values == {"after": 7}
    assert header.lengths == {"tokenizer.ggml.tokens": 60_000}

from hashlib import sha256

import pytest
from byte_source import Bytes
from gguf_writer import gguf

from llmgen.facts.digest import RunningDigest
from llmgen.facts.gguf import read_header


@pytest.mark.parametrize("sizes", [(), (5,), (300_000, 7, 200_000), (2**20, 2**20)])
def test_the_digest_of_pieces_is_that_of_the_whole(sizes):
    digest, whole = RunningDigest(), sha256()
    for number, size in enumerate(sizes):
        piece = bytes([number]) * size
        digest.feed(memoryview(piece))
        whole.update(piece)
    assert digest.hexdigest() == whole.hexdigest()


SHORT = gguf({"general.architecture": "llama"})


@pytest.fixture(scope="module")
def long():
    """Strings that end in a letter: what follows the header is its padding alone."""
    return gguf({"tokenizer.ggml.tokens": ["word"] * 100_000})


def test_a_header_of_many_pieces_is_hashed_to_its_last_byte(long):
    header = read_header(Bytes(long, largest_piece=2**16))
    assert header.lengths["tokenizer.ggml.tokens"] == 100_000
    assert header.digest.hexdigest() == sha256(long.rstrip(b"\0")).hexdigest()


def test_the_digest_goes_on_over_shards(long):
    second = read_header(Bytes(SHORT), read_header(Bytes(long)))
    both = long.rstrip(b"\0") + SHORT.rstrip(b"\0")
    assert second.digest.hexdigest() == sha256(both).hexdigest()

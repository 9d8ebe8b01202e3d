import ctypes
import subprocess

import pytest
import readers
from gguf_writer import llama, write_gguf

from llmgen.facts.ggml_types import BY_ID, REMOVED
from llmgen.facts.local import read_model


@pytest.mark.reader("llama-server")
def test_types_are_those_of_ggml():
    lib = ctypes.CDLL(str(readers.find("llama-server").parent / "libggml-base.so"))
    lib.ggml_type_name.restype = ctypes.c_char_p
    lib.ggml_type_size.restype = ctypes.c_size_t
    lib.ggml_blck_size.restype = ctypes.c_int64
    # Past its last type the library reads beyond its table, so it is asked for these only.
    theirs = {
        number: (
            lib.ggml_type_name(number).decode().lower(),
            lib.ggml_blck_size(number),
            lib.ggml_type_size(number),
        )
        for number in range(max(BY_ID) + 1)
        if lib.ggml_blck_size(number)
    }
    assert theirs == {
        key: (kind.name.lower(), kind.block, kind.size) for key, kind in BY_ID.items()
    }
    assert theirs.keys().isdisjoint(REMOVED)


@pytest.mark.reader("llama-gguf-split")
def test_shards_that_llama_cpp_writes_are_the_whole_model(tmp_path):
    whole = write_gguf(tmp_path / "m.gguf", *llama(layers=6), data="random")
    program = readers.find("llama-gguf-split")
    subprocess.run(
        [program, "--split", "--split-max-tensors", "20", whole, tmp_path / "s"],
        check=True,
        capture_output=True,
    )
    (first,) = tmp_path.glob("s-00001-of-*.gguf")
    split, one = read_model(first), read_model(whole)
    assert len(split.files) == 3
    assert split.tensors == one.tensors
    assert split.vocabulary == one.vocabulary
    assert split.hyperparameters == one.hyperparameters


def test_a_row_that_blocks_do_not_fill_is_no_row():
    (q4,) = (kind for kind in BY_ID.values() if kind.name == "q4_K")
    assert q4.tensor_bytes((512, 3)) == 2 * 144 * 3
    with pytest.raises(ValueError, match="q4_K"):
        q4.tensor_bytes((300,))

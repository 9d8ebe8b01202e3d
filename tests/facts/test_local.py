import os
from pathlib import Path

import pytest
from gguf_writer import Tensor, llama, write_gguf, write_split

from llmgen.errors import InputError
from llmgen.facts.local import read_model

TENSORS = [Tensor(f"blk.{il}.x.weight", (64, 64)) for il in range(6)]


def split(folder: Path) -> list[Path]:
    metadata = {"general.architecture": "llama", "llama.block_count": 6}
    return write_split(folder, "big", metadata, [TENSORS[:2], TENSORS[2:5], TENSORS[5:]])


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_model(path, "models/x.gguf" if path.name == "x.gguf" else path.name)
    return caught.value.diagnostics[0]


def test_file_is_named_as_asked(tmp_path):
    path = write_gguf(tmp_path / "a.gguf", *llama())
    facts = read_model(path, "some/a.gguf")
    assert facts.files[0].name == "some/a.gguf"
    assert facts.size_bytes == path.stat().st_size


def test_split_model_is_read_whole(tmp_path):
    paths = split(tmp_path)
    facts = read_model(paths[0], f"sub/{paths[0].name}")
    assert facts.tensors[0].layers == (0, 1, 2, 3, 4, 5)
    assert [file.name for file in facts.files] == [f"sub/{path.name}" for path in paths]
    assert [file.size_bytes for file in facts.files] == [path.stat().st_size for path in paths]


def test_later_shard_names_the_first_one(tmp_path):
    found = refusal(split(tmp_path)[1])
    assert found.code == "facts.not-first-shard"
    assert "big-00001-of-00003.gguf" in found.hint


def test_absent_shard_is_named(tmp_path):
    paths = split(tmp_path)
    paths[2].unlink()
    found = refusal(paths[0])
    assert found.code == "facts.missing"
    assert "big-00003-of-00003.gguf" in found.message


def test_nearly_right_name_is_told(tmp_path):
    for name in ("qwen3-8b-Q4_K_M.gguf", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    found = refusal(tmp_path / "qwen3-8b-Q5_K_M.gguf")
    assert found.hint == "did you mean `qwen3-8b-Q4_K_M.gguf`?"
    assert refusal(tmp_path / "other.gguf").hint == "check the name and [paths] models"


def test_swapped_shards_are_refused(tmp_path):
    paths = split(tmp_path)
    paths[2].write_bytes(paths[1].read_bytes())
    assert refusal(paths[0]).code == "facts.shard-order"


def test_shard_of_another_model_is_refused(tmp_path):
    paths = split(tmp_path)
    write_split(tmp_path, "big", {"general.architecture": "llama"}, [[], [TENSORS[0]], []])
    other = paths[1].read_bytes()
    split(tmp_path)
    paths[1].write_bytes(other)
    assert refusal(paths[0]).code == "facts.shard-tensors"


def test_renamed_split_model_is_refused(tmp_path):
    path = split(tmp_path)[0].rename(tmp_path / "big.gguf")
    assert refusal(path).code == "facts.shard-name"


def test_truncated_file_is_incomplete(tmp_path):
    path = write_gguf(tmp_path / "a.gguf", *llama())
    os.truncate(path, path.stat().st_size - 4096)
    assert refusal(path).code == "facts.incomplete"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: None, "missing"),
        (lambda path: path.mkdir(), "not-a-file"),
        (os.mkfifo, "not-a-file"),
        (lambda path: path.write_bytes(b""), "not-gguf"),
        (lambda path: path.symlink_to(path), "unreadable"),
    ],
)
def test_what_is_no_model_file_is_refused_by_its_name(tmp_path, make, code):
    make(tmp_path / "x.gguf")
    found = refusal(tmp_path / "x.gguf")
    assert found.code == f"facts.{code}"
    assert "`models/x.gguf`" in found.message
    assert found.hint

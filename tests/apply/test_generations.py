import fcntl
import os
from pathlib import PurePosixPath

import pytest

from llmgen.apply.generations import (
    KEPT,
    alone,
    damaged,
    generation,
    generations,
    prune,
    record,
    tree,
)
from llmgen.artifacts import Artifact
from llmgen.errors import InputError


def wanted(**files):
    return {
        PurePosixPath(name): Artifact(
            PurePosixPath("x"), text.encode(), "t", install=PurePosixPath("/", name)
        )
        for name, text in files.items()
    }


def contents(found):
    return {str(path): item.content.decode() for path, item in found.items()}


def test_generation_gives_its_tree_back(tmp_path):
    assert record(tmp_path, wanted(a="1", b="2"), "install") == 1
    found = generation(tmp_path, 1)
    assert (found.reason, contents(tree(tmp_path, found))) == ("install", {"a": "1", "b": "2"})


def test_same_tree_makes_no_generation(tmp_path):
    record(tmp_path, wanted(a="1"), "install")
    assert record(tmp_path, wanted(a="1"), "install") is None


def test_earlier_tree_makes_a_new_generation(tmp_path):
    for text in ("1", "2", "1"):
        record(tmp_path, wanted(a=text), "")
    assert [item.number for item in generations(tmp_path)] == [1, 2, 3]


def test_without_a_number_it_is_the_one_before_the_newest(tmp_path):
    for text in ("1", "2", "3"):
        record(tmp_path, wanted(a=text), "")
    assert generation(tmp_path, None).number == 2


def test_missing_generation_names_the_kept_ones(tmp_path):
    record(tmp_path, wanted(a="1"), "")
    with pytest.raises(InputError) as caught:
        generation(tmp_path, 7)
    assert caught.value.diagnostics[0].hint == "kept: 1"
    with pytest.raises(InputError, match="no earlier generation"):
        generation(tmp_path, None)


def test_the_last_ten_are_kept_with_their_contents_only(tmp_path):
    for number in range(KEPT + 3):
        record(tmp_path, wanted(a=str(number), b="same"), "")
    assert prune(tmp_path) == [1, 2, 3]
    assert len([*(tmp_path / "objects").iterdir()]) == KEPT + 1
    assert contents(tree(tmp_path, generation(tmp_path, 4))) == {"a": "3", "b": "same"}


def test_everything_is_private(tmp_path):
    record(tmp_path, wanted(a="1"), "")
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o600}


def test_changed_object_is_not_installed(tmp_path):
    record(tmp_path, wanted(a="1"), "")
    (path,) = (tmp_path / "objects").iterdir()
    path.write_text("evil")
    with pytest.raises(InputError, match="not what its name says"):
        tree(tmp_path, generation(tmp_path, 1))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"format": 2, "files": {}, "reason": ""}',
        '{"format": 1, "files": {"../x": {"sha256": "a", "mode": "0644", "target": ""}}, "reason": ""}',
    ],
)
def test_unusable_generation_is_refused_by_name(tmp_path, text):
    (tmp_path / "generations").mkdir()
    (tmp_path / "generations" / "1.json").write_text(text)
    with pytest.raises(InputError, match=r"generations/1.json` cannot be used"):
        generation(tmp_path, 1)


def test_one_installation_at_a_time(tmp_path):
    def is_free():
        folder = os.open(tmp_path / "generations", os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(folder)
        return True

    with alone(tmp_path):
        assert not is_free()
    assert is_free()


def test_damaged_generation_is_in_nobodys_way(tmp_path):
    record(tmp_path, wanted(a="1"), "install")
    record(tmp_path, wanted(a="2"), "install")
    (tmp_path / "generations" / "2.json").write_text("{")
    assert record(tmp_path, wanted(a="3"), "install") == 3
    assert [item.number for item in generations(tmp_path)] == [1, 3]
    assert [item.code for item in damaged(tmp_path)] == ["apply.bad-generation"]
    assert generation(tmp_path, None).number == 1
    prune(tmp_path, 1)
    assert contents(tree(tmp_path, generation(tmp_path, 3))) == {"a": "3"}

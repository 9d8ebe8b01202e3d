import os

import pytest

from llmgen.doctor.access import UserIdentity, closed_to, identity

STRANGER = UserIdentity(54321, frozenset({54321}))


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "models" / "a.gguf"
    path.parent.mkdir()
    path.write_bytes(b"GGUF")
    for folder in path.parents:
        if folder.stat().st_uid == os.geteuid() and folder.is_relative_to(tmp_path.parents[2]):
            folder.chmod(0o755)
    path.chmod(0o644)
    return path


def test_open_file_is_open_to_a_stranger(model):
    assert closed_to(STRANGER, model) == ""


def test_closed_folder_is_named(model):
    model.parent.chmod(0o700)
    assert closed_to(STRANGER, model) == f"the folder `{model.parent}` is closed"


def test_closed_file(model):
    model.chmod(0o640)
    assert closed_to(STRANGER, model) == "the file is closed"


def test_group_opens_it(model):
    model.chmod(0o640)
    assert closed_to(UserIdentity(54321, frozenset({model.stat().st_gid})), model) == ""


def test_root_reads_everything_and_nobody_is_unknown():
    who = identity("root")
    assert who is not None
    assert who.uid == 0
    assert identity("no-such-user-here") is None

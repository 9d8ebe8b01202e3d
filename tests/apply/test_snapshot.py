import os
from hashlib import sha256
from pathlib import PurePosixPath

from llmgen.apply.changes import PathKind
from llmgen.apply.snapshot import Place, look, snapshot
from llmgen.render.header import OWNER

PATH = PurePosixPath("d/f")


def place(root, **settings):
    return Place(root, root / "ledger.json", **settings)


def put(root, text="x", mode=0o644):
    path = root / PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_file_is_its_digest_and_mode(tmp_path):
    put(tmp_path, mode=0o600)
    found = look(place(tmp_path, exact_modes=True), PATH)
    assert (found.digest, found.mode) == (sha256(b"x").hexdigest(), 0o600)


def test_only_the_executable_bit_counts_in_a_checkout(tmp_path):
    put(tmp_path, mode=0o664)
    assert look(place(tmp_path), PATH).mode == 0o644
    put(tmp_path, mode=0o775)
    assert look(place(tmp_path), PATH).mode == 0o755


def test_absent_paths_are_left_out(tmp_path):
    assert snapshot(place(tmp_path), [PATH]) == {}


def test_symlink_is_seen_not_followed(tmp_path):
    (tmp_path / "target").write_text("x")
    (tmp_path / "d").mkdir()
    (tmp_path / PATH).symlink_to(tmp_path / "target")
    assert look(place(tmp_path), PATH).kind is PathKind.SYMLINK


def test_directory_and_fifo_are_seen(tmp_path):
    (tmp_path / PATH).mkdir(parents=True)
    assert look(place(tmp_path), PATH).kind is PathKind.DIRECTORY
    os.mkfifo(tmp_path / "fifo")
    assert look(place(tmp_path), PurePosixPath("fifo")).kind is PathKind.SPECIAL


def test_symlinked_folder_blocks_unless_links_are_allowed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "d").symlink_to("real")
    assert look(place(tmp_path), PATH).kind is PathKind.BLOCKED
    assert look(place(tmp_path, links=True), PATH) is None


def test_file_in_a_folders_place_blocks(tmp_path):
    (tmp_path / "d").write_text("")
    found = look(place(tmp_path), PATH)
    assert (found.kind, found.detail) == (PathKind.BLOCKED, "`d` is not a folder")


def test_header_is_recognised_on_the_first_lines(tmp_path):
    put(tmp_path, f"<?xml?>\n<!-- {OWNER} -->\n")
    assert look(place(tmp_path), PATH).signed
    put(tmp_path, f"{'x' * 2000}{OWNER}\n")
    assert not look(place(tmp_path), PATH).signed

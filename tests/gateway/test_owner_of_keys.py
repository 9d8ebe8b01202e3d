"""Keys for containers: one file for each, as it is, and given to the containers' user by root."""

import os

from llmgen.config.tables.base import Secret
from llmgen.gateway.publish import publish
from llmgen.gateway.secrets import Manifest, PlaceholderFile, placeholder, read_manifest

KEY = 'sk-"\\$x'


def manifest(folder, owner):
    (folder / "key").write_text(KEY + "\n")
    (folder / "TOKEN").write_text(placeholder("TOKEN") + "\n")
    found = Manifest(
        into=folder / "run",
        files=(PlaceholderFile("TOKEN", "line"),),
        secrets={"TOKEN": Secret(file=str(folder / "key"))},
        owner=owner,
    )
    (folder / "keys.json").write_bytes(found.content())
    return folder / "keys.json"


def test_a_secret_is_all_of_its_file_as_it_is(tmp_path):
    publish(manifest(tmp_path, None))
    assert (tmp_path / "run/TOKEN").read_text() == KEY + "\n"


def test_root_gives_them_to_the_containers_user(tmp_path):
    """Who is not root fills them for himself: his containers run as him."""
    expected = 12345 if os.geteuid() == 0 else os.geteuid()
    path = manifest(tmp_path, (12345, 12346))
    for _ in range(2):
        publish(path)
        for place in (tmp_path / "run", tmp_path / "run/TOKEN"):
            assert place.stat().st_uid == expected
            assert place.stat().st_mode & 0o077 == 0


def test_the_owner_is_read_back(tmp_path):
    assert read_manifest(manifest(tmp_path, (7, 8)).read_bytes()).owner == (7, 8)
    assert read_manifest(manifest(tmp_path, None).read_bytes()).owner is None

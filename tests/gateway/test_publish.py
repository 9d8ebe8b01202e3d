"""Filling keys: from every kind of reference, atomically, privately, or not at all."""

import json
import os
import stat

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from readers.systemd_syntax import read_environment_file

from llmgen.config.tables.base import Secret
from llmgen.errors import InputError
from llmgen.gateway.publish import publish
from llmgen.gateway.secrets import Manifest, PlaceholderFile, fill, placeholder, read_manifest

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "b.key").write_text("sk-b\nsecond line\n")
    (tmp_path / "cds.yaml").write_text("clusters: []\n")
    (tmp_path / "rds.yaml").write_text(f'a: "{placeholder("a")}"\nb: "{placeholder("b")}"\n')
    return tmp_path


def manifest(folder, **secrets):
    secrets = secrets or {"a": Secret(env="A_KEY"), "b": Secret(file=str(folder / "b.key"))}
    made = Manifest(
        folder / "run",
        (PlaceholderFile("cds.yaml", "yaml"), PlaceholderFile("rds.yaml", "yaml")),
        secrets,
        tuple(secrets),
    )
    (folder / "keys.json").write_bytes(made.content())
    return folder / "keys.json"


def refused(path):
    with pytest.raises(InputError) as error:
        publish(path)
    return [item.code for item in error.value.diagnostics]


def test_files_are_filled_in_order_into_a_private_folder(folder, monkeypatch):
    monkeypatch.setenv("A_KEY", 'sk-"a\\')
    written = publish(manifest(folder))
    assert [path.name for path in written] == ["cds.yaml", "rds.yaml"]
    assert yaml.safe_load(written[1].read_text()) == {"a": 'sk-"a\\', "b": "sk-b"}
    assert stat.S_IMODE((folder / "run").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


def test_what_did_not_change_is_not_written(folder, monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-a")
    publish(manifest(folder))
    assert publish(folder / "keys.json") == ()
    (folder / "b.key").write_text("sk-rotated")
    assert [path.name for path in publish(folder / "keys.json")] == ["rds.yaml"]


def test_a_file_of_an_earlier_llm_toml_goes(folder, monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-a")
    publish(manifest(folder))
    (folder / "run" / "sds-old.yaml").write_text("a key that was revoked")
    assert publish(folder / "keys.json") == ()
    assert sorted(path.name for path in (folder / "run").iterdir()) == ["cds.yaml", "rds.yaml"]


def test_a_credential_is_read_from_the_services_folder(folder, monkeypatch):
    (folder / "creds").mkdir()
    (folder / "creds" / "token").write_text("sk-c")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder / "creds"))
    (folder / "rds.yaml").write_text(f'a: "{placeholder("a")}"\n')
    publish(manifest(folder, a=Secret(credential="token")))
    assert yaml.safe_load((folder / "run" / "rds.yaml").read_text()) == {"a": "sk-c"}


def test_a_missing_secret_is_named_and_nothing_is_written(folder, monkeypatch):
    monkeypatch.delenv("A_KEY", raising=False)
    (folder / "b.key").unlink()
    assert refused(manifest(folder)) == ["keys.missing", "keys.missing"]
    assert not (folder / "run").exists()


@pytest.mark.parametrize("value", ["", " sk", "sk a", "sk\x07", "schlüssel"])
def test_a_value_that_is_no_key_is_refused_without_showing_it(folder, monkeypatch, value):
    monkeypatch.setenv("A_KEY", value)
    with pytest.raises(InputError) as error:
        publish(manifest(folder))
    (found,) = error.value.diagnostics
    assert found.code == "keys.unusable"
    assert not value.strip() or value not in found.message + found.hint


def test_two_clients_with_one_key_are_refused(folder, monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-b")
    assert refused(manifest(folder)) == ["keys.same"]


def test_a_missing_or_broken_manifest_is_one_message(folder):
    assert refused(folder / "nothing.json") == ["keys.no-manifest"]
    (folder / "keys.json").write_text("{}")
    assert refused(folder / "keys.json") == ["keys.no-manifest"]


def test_an_unwritable_folder_is_one_message(folder, monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-a")
    (folder / "run").write_text("a file in the way")
    assert refused(manifest(folder)) == ["keys.unwritable"]


def test_a_failed_write_leaves_the_old_file_and_no_rest(folder, monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-a")
    publish(manifest(folder))
    monkeypatch.setenv("A_KEY", "sk-new")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space")))
    assert refused(folder / "keys.json") == ["keys.unwritable"]
    assert "sk-a" in (folder / "run" / "rds.yaml").read_text()
    assert sorted(path.name for path in (folder / "run").iterdir()) == ["cds.yaml", "rds.yaml"]


def test_a_manifest_is_read_as_it_was_written(folder):
    path = manifest(folder)
    made = read_manifest(path.read_bytes())
    assert made.content() == path.read_bytes()
    assert json.loads(path.read_bytes())["secrets"]["a"] == {"env": "A_KEY"}


@given(KEYS)
def test_any_key_survives_both_syntaxes(value):
    text = f'KEY="{placeholder("k")}"\n'
    assert read_environment_file(fill(text, {"k": value}, "env")) == {"KEY": value}
    text = f'KEY: "{placeholder("k")}"\n'
    assert yaml.safe_load(fill(text, {"k": value}, "yaml")) == {"KEY": value}


def test_a_folder_of_another_user_gets_no_keys(folder, monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-a")
    (folder / "run").mkdir(mode=0o777)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert refused(manifest(folder)) == ["keys.not-private"]
    assert not list((folder / "run").iterdir())


def test_a_link_gets_no_keys_and_loses_none(folder, monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-a")
    (folder / "other").mkdir()
    (folder / "other" / "mine").touch()
    (folder / "run").symlink_to(folder / "other")
    assert refused(manifest(folder)) == ["keys.unwritable"]
    assert [path.name for path in (folder / "other").iterdir()] == ["mine"]


def test_an_open_umask_opens_no_folder(folder, monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-a")
    path = manifest(folder, a=Secret(env="A_KEY"), b=Secret(env="A_KEY"))
    deep = json.loads(path.read_bytes()) | {"into": str(folder / "x/y/run"), "distinct": []}
    path.write_text(json.dumps(deep))
    before = os.umask(0)
    try:
        publish(path)
    finally:
        os.umask(before)
    for made in ("x", "x/y", "x/y/run"):
        assert stat.S_IMODE((folder / made).stat().st_mode) == 0o700


def test_a_placeholder_that_nobody_fills_stays():
    assert fill(f'"{placeholder("x")}"', {}, "yaml") == f'"{placeholder("x")}"'

import json

import pytest
from click.testing import CliRunner
from gguf_writer import llama, write_gguf

from llmgen.cli.boundary import root
from llmgen.facts.downloads import NOTE, downloaded, note_downloads

START = """# My machine.
edition = 1
[hardware]
profile = "cpu"
memory = "16GiB"
[paths]
home = "/home/me"
models = "{folder}"
[models.first]   # the first one
model = "first.gguf"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "llm.toml").write_text(START.format(folder=tmp_path / "models"))
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def run(*words):
    return CliRunner().invoke(root, words, prog_name="llmgen")


def test_added_model_stands_at_the_end_and_the_rest_is_kept(folder):
    before = (folder / "llm.toml").read_text()
    result = run("models", "add", "org/Some-Model-GGUF:Q4_K_M", "--alias", "gpt-4o")
    assert result.exit_code == 0, result.stderr
    after = (folder / "llm.toml").read_text()
    assert after.startswith(before)
    assert '[models.some-model]\nhf_repo = "org/Some-Model-GGUF"\nquant = "Q4_K_M"' in after


def test_added_model_that_llm_toml_refuses_changes_nothing(folder):
    before = (folder / "llm.toml").read_text()
    result = run("models", "add", "x.gguf", "--role", "singer")
    assert result.exit_code == 3
    assert "role" in result.stderr
    assert (folder / "llm.toml").read_text() == before


def test_added_file_that_embeds_gets_that_role(folder):
    path = folder / "models" / "embed.gguf"
    write_gguf(path, *llama(architecture="bert", more={"bert.pooling_type": 2}))
    run("models", "add", "embed.gguf")
    assert (
        '[models.embed]\nmodel = "embed.gguf"\nrole = "embedding"\n'
        in (folder / "llm.toml").read_text()
    )


def test_repository_without_quantisation_is_added(folder):
    run("models", "add", "org/Some-Model-GGUF")
    after = (folder / "llm.toml").read_text()
    assert after.endswith('[models.some-model]\nhf_repo = "org/Some-Model-GGUF"\n')


def test_removed_model_leaves_the_rest(folder):
    run("models", "add", "x.gguf")
    before = START.format(folder=folder / "models")
    assert run("models", "rm", "x").exit_code == 0
    assert (folder / "llm.toml").read_text() == before


def test_model_that_others_name_is_not_removed(folder):
    with (folder / "llm.toml").open("a") as stream:
        stream.write('[models.second]\nmodel = "second.gguf"\nfallbacks = ["first"]\n')
    result = run("models", "rm", "first")
    assert result.exit_code == 3
    assert "llm.toml:13" in result.stderr


def test_scan_marks_what_llm_toml_names(folder):
    for name in ("first.gguf", "other.gguf"):
        (folder / "models" / name).write_bytes(b"GGUF")
    document = json.loads(run("models", "scan", "--json").stdout)
    assert {row["ref"]: row["named"] for row in document["data"]["found"]} == {
        "file:first.gguf": True, "file:other.gguf": False,
    }  # fmt: skip


def test_scan_looks_into_a_folder_that_is_named(folder):
    (folder / "models" / "first.gguf").write_bytes(b"GGUF")
    (folder / "disk").mkdir()
    (folder / "disk" / "other.gguf").write_bytes(b"GGUF")
    document = json.loads(run("models", "scan", "disk", "models", "--json").stdout)
    assert {row["ref"]: row["named"] for row in document["data"]["found"]} == {
        f"file:{folder}/disk/other.gguf": False, f"file:{folder}/models/first.gguf": True,
    }  # fmt: skip
    assert run("models", "scan", "nowhere").exit_code == 4


def test_link_to_llm_toml_stays_and_a_killed_run_is_in_nobodys_way(folder):
    (folder / "llm.toml").rename(folder / "mine.toml")
    (folder / "llm.toml").symlink_to("mine.toml")
    (folder / ".mine.toml.llmgen-new").write_text("half")
    assert run("models", "add", "x.gguf").exit_code == 0
    assert (folder / "llm.toml").is_symlink()
    assert "[models.x]" in (folder / "mine.toml").read_text()


def test_gc_keeps_its_hands_off_while_files_of_the_hub_are_not_known(folder):
    (folder / "models" / "hub.gguf").write_bytes(b"GGUF")
    run("models", "add", "org/Some-Model-GGUF:Q4_K_M")
    result = run("models", "gc", "--delete")
    assert result.exit_code == 4
    assert "[lock.missing]" in result.stderr
    assert (folder / "models" / "hub.gguf").exists()


def test_added_file_is_named_from_the_models_folder(folder):
    (folder / "models" / "here.gguf").write_bytes(b"GGUF")
    (folder / "elsewhere.gguf").write_bytes(b"GGUF")
    run("models", "add", "models/here.gguf")
    run("models", "add", "elsewhere.gguf")
    after = (folder / "llm.toml").read_text()
    assert 'model = "here.gguf"' in after
    assert f'model = "{folder}/elsewhere.gguf"' in after


def test_added_file_that_is_not_there_is_a_warning(folder):
    result = run("models", "add", "later.gguf")
    assert result.exit_code == 0
    assert "warning[models.no-file]" in result.stderr


def test_same_model_is_added_again_only_under_a_name(folder):
    run("models", "add", "x.gguf")
    again = run("models", "add", "x.gguf")
    assert again.exit_code == 2
    assert "[models.x] is that model" in again.stderr
    assert run("models", "add", "x.gguf", "--name", "second").exit_code == 0


def test_gc_lists_and_deletes_only_when_told(folder):
    models = folder / "models"
    (models / "first.gguf").write_bytes(b"GGUF")
    (models / "old.gguf").write_bytes(b"GGUF")
    (models / "gone.gguf").symlink_to(models / "nowhere.gguf")
    (models / "mine.gguf").write_bytes(b"GGUF")
    (models / "edited.gguf").write_bytes(b"GGUF and more")
    note_downloads(models, {"old.gguf": 4, "first.gguf": 4, "edited.gguf": 4})
    listed = run("models", "gc")
    assert "old.gguf\n" in listed.stdout
    assert "mine.gguf  (not downloaded by llmgen)" in listed.stdout
    assert (models / "old.gguf").exists()
    done = run("models", "gc", "--delete")
    assert done.stdout == listed.stdout
    assert "deleted 1 files, 4 B; 3 that llmgen did not download stay" in done.stderr
    left = {path.name for path in models.iterdir()} - {NOTE}
    assert left == {"first.gguf", "mine.gguf", "edited.gguf", "gone.gguf"}
    assert downloaded(models) == {"first.gguf": 4, "edited.gguf": 4}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"files": 1}', '{"files": {"a.gguf": "x"}}', "[" * 9999]
)
def test_note_of_downloads_that_says_nothing_deletes_nothing(folder, text):
    models = folder / "models"
    (models / "a.gguf").write_bytes(b"GGUF")
    (models / NOTE).write_text(text)
    assert run("models", "gc", "--delete").exit_code == 0
    assert (models / "a.gguf").exists()


def test_verify_tells_changed_and_absent_files(folder):
    write_gguf(folder / "models" / "first.gguf", *llama())
    assert run("lock").exit_code == 0
    done = run("models", "verify", "--json")
    (row,) = json.loads(done.stdout)["data"]["files"]
    assert (done.exit_code, row["condition"]) == (0, "header intact")
    write_gguf(folder / "models" / "first.gguf", *llama(layers=3))
    changed = run("models", "verify")
    assert changed.exit_code == 1
    assert "`first.gguf` is another file than llm.lock's: another header" in changed.stderr
    (folder / "models" / "first.gguf").unlink()
    assert "`first.gguf` is not there" in run("models", "verify").stderr

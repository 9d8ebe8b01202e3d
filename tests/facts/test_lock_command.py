import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from fake_hub import FakeFile, FakeRepo
from gguf_writer import llama, write_gguf
from making import HEAD

from llmgen.cli.lock import cli as lock
from llmgen.cli.models import cli as models
from llmgen.cli.pull import cli as pull
from llmgen.facts.downloads import downloaded


@pytest.fixture
def folder(tmp_path, hub, monkeypatch):
    """An llm.toml with a model of its own and one of the Hub, whose home is this folder."""
    made = write_gguf(tmp_path / "made.gguf", *llama(), data="random")
    hub.repos["org/repo"] = FakeRepo({"m-Q8_0.gguf": FakeFile(made.read_bytes())})
    write_gguf(tmp_path / "models/a.gguf", *llama())
    text = HEAD.replace("/home/llm", str(tmp_path))
    (tmp_path / "llm.toml").write_text(
        f'{text}[models.own]\nrole = "chat"\nmodel = "a.gguf"\n'
        '[models.far]\nrole = "chat"\nhf_repo = "org/repo"\nquant = "Q8_0"\n'
    )
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command, *arguments):
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def data(result):
    return json.loads(result.stdout)["data"]


def test_lock_then_pull(folder):
    first = run(lock, "--json")
    assert first.exit_code == 0, first.output
    assert [row["step"] for row in data(first)["models"]] == ["added", "added"]
    assert run(lock).stderr.strip() == "2 kept"
    pulled = run(pull, "--json")
    assert pulled.exit_code == 0, pulled.stdout
    assert [item["presence"] for item in data(pulled)["files"]] == ["present", "downloaded"]
    assert (folder / "models/org/repo/m-Q8_0.gguf").is_file()


def test_verify_reads_digests_of_what_came_from_the_hub(folder):
    run(lock)
    run(pull)
    path = folder / "models/org/repo/m-Q8_0.gguf"
    assert downloaded(folder / "models") == {"org/repo/m-Q8_0.gguf": path.stat().st_size}
    (row,) = data(run(models, "verify", "far", "--json"))["files"]
    assert (row["condition"], row["detail"]) == ("intact", "SHA-256")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (row,) = data(run(models, "verify", "far", "--json"))["files"]
    assert (row["condition"], row["detail"]) == ("changed", "another SHA-256")
    (row,) = data(run(models, "verify", "far", "--quick", "--json"))["files"]
    assert row["condition"] == "header intact"


def test_update_tells_what_clients_will_notice(folder):
    shape = {"context": 4096, "more": {"tokenizer.chat_template": "old"}}
    write_gguf(folder / "models/a.gguf", *llama(**shape))
    run(lock)
    shape = {"context": 8192, "more": {"tokenizer.chat_template": "new"}}
    write_gguf(folder / "models/a.gguf", *llama(**shape))
    done = run(lock, "--update")
    told = "`file:a.gguf` has changed: trained context 4096 → 8192, another chat template"
    assert told in done.stderr
    assert "llm.toml:" in done.stderr
    assert "has changed" not in run(lock, "--update").stderr


def test_program_finds_the_hub_that_the_environment_names(folder, hub):
    environment = {**os.environ, "HF_ENDPOINT": hub.url}
    for words in (["lock"], ["pull"]):
        done = subprocess.run(
            [sys.executable, "-m", "llmgen", *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "1 downloaded, 1 present"


def test_check_writes_nothing(folder):
    assert run(lock, "--check").exit_code == 1
    assert not (folder / "llm.lock").exists()
    run(lock)
    assert run(lock, "--check").exit_code == 0


def test_only_the_named_model_is_read(folder, hub):
    run(lock)
    hub.requests.clear()
    assert run(lock, "own").exit_code == 0
    assert hub.requests == []


def test_unknown_model_is_suggested(folder):
    result = run(lock, "onw")
    assert result.exit_code == 2
    assert "did you mean `own`?" in result.stderr


def test_missing_file_is_shown_at_its_place(folder):
    (folder / "models/a.gguf").unlink()
    result = run(lock, "own")
    assert result.exit_code == 4
    assert "facts.missing" in result.stderr
    assert "llm.toml:" in result.stderr
    assert not (folder / "llm.lock").exists()


def test_pull_without_a_lock_says_so(folder):
    result = run(pull)
    assert result.exit_code == 4
    assert "llmgen lock" in result.stderr


def test_file_that_nobody_can_fetch_is_named(folder):
    run(lock)
    (folder / "models/a.gguf").unlink()
    result = run(pull, "own")
    assert result.exit_code == 1
    assert "`a.gguf`" in result.stderr


def test_other_models_folder(folder):
    (folder / "models").rename(folder / "elsewhere")
    assert run(lock, "--models", str(folder / "elsewhere")).exit_code == 0


def test_model_that_is_switched_off_needs_no_file(folder):
    text = (folder / "llm.toml").read_text()
    (folder / "llm.toml").write_text(
        f'{text}[models.off]\nrole = "chat"\nmodel = "absent.gguf"\nenable = false\n'
    )
    assert run(lock).exit_code == 0
    assert run(lock, "off").exit_code == 4
    assert run(pull).exit_code == 0


def test_what_cannot_be_read_does_not_keep_the_others_from_the_lock(folder, hub):
    hub.repos.clear()
    first = run(lock, "--json")
    assert first.exit_code == 4, first.output
    assert {row["ref"]: row["step"] for row in data(first)["models"]} == {
        "file:a.gguf": "added",
        "hf:org/repo:Q8_0": "failed",
    }
    (problem,) = json.loads(first.stdout)["diagnostics"]
    assert problem["severity"] == "error"
    assert problem["location"]["line"]
    assert '"file:a.gguf"' in (folder / "llm.lock").read_text()


def test_a_merge_conflict_is_settled_by_reading_anew(folder):
    assert run(lock).exit_code == 0
    whole = (folder / "llm.lock").read_text()
    other = whole.replace('"file:a.gguf"', '"file:gone.gguf"').replace('"a.gguf"', '"gone.gguf"')
    conflict = f"<<<<<<< HEAD\n{whole}=======\n{other}>>>>>>> branch\n"
    (folder / "llm.lock").write_text(conflict)
    assert run(pull).exit_code == 4
    done = run(lock)
    assert done.exit_code == 0, done.output
    assert (folder / "llm.lock").read_text() == whole

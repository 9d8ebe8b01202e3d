"""Every kind of bad llm.toml: one clear message with place and hint, its exit code, no file."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from making import facts

from llmgen.cli.boundary import root
from llmgen.facts.lock import write_lock
from llmgen.facts.lock_model import Entry, Lock

BAD = Path(__file__).parents[1] / "bad"
# Exit codes other than 3, of invalid llm.toml; see the table in the README.
CODES = {
    "lock.missing": 4,
    "budget.device-full": 5,
    "models.setting-refused": 5,
    "models.draft-devices": 5,
    "swap.macro": 5,
    "containers.no-metal": 5,
    "containers.on-demand-program": 5,
    "containers.no-image": 5,
    "containers.no-program": 5,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    small = facts("small.gguf", layers=32, embedding=4096, heads=32, heads_kv=8, vocabulary=32000)
    write_lock(tmp_path / "llm.lock", Lock({"file:small.gguf": Entry(small)}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def run(*words):
    return CliRunner().invoke(root, words, prog_name="llmgen")


@pytest.mark.parametrize("path", sorted(BAD.glob("*.toml")), ids=lambda path: path.stem)
def test_bad_file(path, folder, snapshot):
    shutil.copy(path, folder / "llm.toml")
    before = sorted(folder.rglob("*"))
    result = run("generate")
    code = path.stem.split("--")[0]
    assert f"[{code}" in result.stderr
    assert result.stdout == ""
    assert result.exit_code == CODES.get(code, 3)
    assert sorted(folder.rglob("*")) == before
    assert result.stderr == snapshot


@pytest.mark.parametrize("path", sorted(BAD.glob("*.toml")), ids=lambda path: path.stem)
def test_bad_file_as_json(path, folder):
    shutil.copy(path, folder / "llm.toml")
    result = run("generate", "--json")
    document = json.loads(result.stdout)
    assert result.stderr == ""
    assert document["status"] == "error"
    assert document["exit_code"] == result.exit_code
    first = document["diagnostics"][0]
    assert first["code"].startswith(path.stem.split("--")[0])
    assert first["hint"]
    assert first["location"]["file"] == "llm.toml"


def test_no_file(folder):
    result = run("check")
    assert result.exit_code == 4
    assert "llmgen init" in result.stderr


def test_no_lock(folder):
    (folder / "llm.lock").unlink()
    shutil.copy(BAD / "lock.missing--model.toml", folder / "llm.toml")
    result = run("check")
    assert result.exit_code == 4
    assert "llmgen lock" in result.stderr


def test_lock_of_a_newer_llmgen(folder):
    (folder / "llm.lock").write_text('{"format": 99, "models": {}}\n')
    shutil.copy(BAD / "lock.missing--model.toml", folder / "llm.toml")
    result = run("check")
    assert result.exit_code == 4
    assert "99" in result.stderr


def test_not_utf8(folder):
    (folder / "llm.toml").write_bytes(b'edition = 1\nx = "\xff"\n')
    result = run("check")
    assert result.exit_code == 3
    assert "llm.toml:2:6" in result.stderr


def test_wrong_command_suggests():
    result = run("genrate")
    assert result.exit_code == 2
    assert "did you mean `llmgen generate`?" in result.stderr


MODEL = """edition = 1
[hardware]
profile = "nvidia-24gb"
[paths]
home = "/home/llm"
[models.small]
model = "small.gguf"
"""


def test_check_refuses_what_generate_refuses_and_says_it_once(folder):
    text = MODEL + 'title = "on ${PORT}"\ndescription = "${PORT} again"\n'
    (folder / "llm.toml").write_text(text)
    checked, generated = run("check"), run("generate")
    assert checked.exit_code == generated.exit_code == 5
    assert checked.stderr == generated.stderr
    assert checked.stderr.count("error[swap.placeholder]") == 1


def test_a_word_that_nobody_reads_is_shortened_on_the_terminal_alone(folder):
    (folder / "llm.toml").write_text(MODEL + f"{'c' * 20000} = 1\n")
    assert len(run("check").stderr) < 2000
    assert "c" * 20000 in run("check", "--json").stdout


def test_low_ports_of_a_user_s_models_are_doubtful(folder):
    (folder / "llm.toml").write_text(MODEL + 'keep = "always"\nport = 80\n')
    result = run("--short", "check")
    assert result.exit_code == 0
    assert "llm.toml:9:8: warning[gateway.low-port]: `small` of a user" in result.stderr

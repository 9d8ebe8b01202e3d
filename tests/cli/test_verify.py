"""``llmgen verify``: the plan beside the real llama-fit-params."""

import json

import pytest
import readers
from click.testing import CliRunner
from oracle.headers import write_header

from llmgen.cli.boundary import root
from llmgen.facts.lock import read_lock

CONFIG = """edition = 1
[hardware]
profile = "cpu"
memory = "62GiB"
[paths]
home = "/home/somebody"
models = "{folder}"
[models.small]
model = "llama-3.2-1b.gguf"
ctx_size = 4096
parallel = 2
"""


@pytest.fixture
def stack(tmp_path, monkeypatch):
    write_header(tmp_path / "llama-3.2-1b.gguf", "llama-3.2-1b")
    (tmp_path / "llm.toml").write_text(CONFIG.format(folder=tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run("lock").exit_code == 0
    return tmp_path


def run(*words):
    return CliRunner().invoke(root, words, prog_name="llmgen")


def fake(folder, text, code=0):
    program = folder / "llama-fit-params"
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{text}\nE\nexit {code}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.reader("llama-fit-params")
@pytest.mark.parametrize("downloaded", [True, False])
def test_real_program_agrees(stack, downloaded):
    if not downloaded:
        (stack / "llama-3.2-1b.gguf").unlink()
    result = run("verify", "--program", str(readers.find("llama-fit-params")), "--json")
    (seen,) = json.loads(result.stdout)["data"]
    assert seen["from_file"] is downloaded
    assert result.exit_code == 0, seen


def test_difference_is_no_and_can_be_recorded(stack):
    program = fake(stack, "Host 900 512 300 ")
    result = run("verify", "--program", program, "--record", "--json")
    assert result.exit_code == 1
    (entry,) = read_lock(stack / "llm.lock").entries.values()
    (devices,) = entry.measured.values()
    assert set(devices) == {"host"}


def test_missing_program_is_one_message(stack):
    result = run("verify", "--program", "no-such-program")
    assert result.exit_code == 4
    assert "there is no `no-such-program` on this machine" in result.output


def test_failing_program_says_why(stack):
    result = run("verify", "--program", fake(stack, "", 3))
    assert result.exit_code == 4
    assert "verify.failed" in result.output


def test_hint_names_no_file_that_is_gone(stack):
    (stack / "llama-3.2-1b.gguf").unlink()
    (found,) = json.loads(run("verify", "--program", fake(stack, "", 3), "--json").stdout)[
        "diagnostics"
    ]
    assert f"-m {stack}/llama-3.2-1b.gguf" in found["hint"]


def test_no_room_for_the_stand_in_is_one_message(stack, monkeypatch):
    (stack / "llama-3.2-1b.gguf").unlink()
    monkeypatch.setattr("tempfile.tempdir", str(stack / "nowhere"))
    result = run("verify", "--program", fake(stack, ""))
    assert (result.exit_code, "verify.no-room" in result.output) == (4, True)


def test_silent_program_is_too_old(stack):
    result = run("verify", "--program", fake(stack, "usage"))
    assert "verify.no-figures" in result.output


def test_unknown_model_is_wrong_usage(stack):
    assert run("verify", "other").exit_code == 2

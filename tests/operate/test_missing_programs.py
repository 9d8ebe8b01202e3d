"""Programs that are not there are told before their units are."""

import json

import pytest
from click.testing import CliRunner
from tiny_stacks import write_stack

from llmgen.cli.boundary import root


@pytest.fixture
def install(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*words, **programs):
        known = {"llama_server": "/bin/true", "llama_swap": "/bin/true", "llmgen": "/bin/true"}
        write_stack(tmp_path, home=str(tmp_path), **known | programs)
        words = ["-c", str(tmp_path / "llm.toml"), "install", *words, "--json"]
        done = CliRunner().invoke(root, words)
        return json.loads(done.stdout)

    return run


def told(found):
    return [item for item in found["diagnostics"] if item["code"] == "operate.no-program"]


def test_install_refuses_and_writes_nothing(install, tmp_path):
    found = install(llama_server="/nope/llama-server", llama_swap="/nope/llama-swap")
    server, swap = told(found)
    assert found["exit_code"] == 4
    assert server["message"] == (
        "there is no program `/nope/llama-server`, or it may not be run, and `model-always`, "
        "`one`, `two`, `three`, `four` need it"
    )
    assert swap["message"].endswith("and `swap` needs it")
    assert server["location"]["file"].endswith("llm.toml")
    assert server["notes"] == ["`--no-restart` installs the files all the same"]
    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize("way", ["--no-restart", "--dry-run"])
def test_files_alone_are_installed_with_a_warning(install, way):
    found = install(way, llama_swap="/nope/llama-swap")
    (swap,) = told(found)
    assert (found["exit_code"], swap["severity"]) == (0, "warning")


def test_image_for_another_machine_is_not_asked(install, tmp_path):
    found = install("--root", str(tmp_path / "image"), llama_swap="/nope/llama-swap")
    assert (found["exit_code"], told(found)) == (0, [])


def test_program_elsewhere_on_path_is_the_hint(install, tmp_path, monkeypatch):
    own = tmp_path / "bin" / "llama-swap"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(own.parent), prepend=":")
    (swap,) = told(install("--no-restart", llama_swap="/nope/llama-swap"))
    assert swap["hint"] == f'`llama_swap = "{own}"` in [paths]'

"""What `init` tells: the machine, programs and how to get the missing ones, models, next steps."""

import shlex

import pytest
from click.testing import CliRunner

from llmgen.cli.boundary import root
from llmgen.detect.machine import FoundMachine
from llmgen.detect.obtain import obtain
from llmgen.detect.summary import summary
from llmgen.units import GIB, MIB

CARDS = FoundMachine(
    "linux",
    "cuda",
    62 * GIB,
    "/home/me",
    (("RTX 3090", 24576 * MIB),) * 2,
    build=11434,
    programs=(("llama_server", "/usr/bin/llama-server"),),
)


def test_machine_programs_and_models_are_told():
    lines = summary(CARDS, (), ["file:a b.gguf", "ollama:qwen3:8b"]).splitlines()
    assert lines[0] == "machine: 62.0 GiB of memory, cuda on linux"
    assert lines[1:3] == ["  RTX 3090: 24.0 GiB"] * 2
    assert "llama-server: /usr/bin/llama-server, 11434" in lines
    assert any(line.startswith("llama-swap: not found; ") for line in lines)
    assert "  llmgen models add 'file:a b.gguf'" in lines


@pytest.mark.parametrize("key", ["llama_server", "llama_swap", "envoy", "litellm"])
def test_no_tool_is_named_that_is_not_there(key):
    assert not obtain(key, ()).startswith("`brew")
    assert not obtain(key, ("nix", "pip", "pipx")).startswith("`brew")
    assert obtain("llama_server", ("brew", "nix")) == "`brew install llama.cpp`"


def test_init_writes_the_schema_that_its_first_line_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models/a.gguf").touch()
    done = CliRunner().invoke(root, ["init"])
    assert done.exit_code == 0, done.output
    first = (tmp_path / "llm.toml").read_text().splitlines()[0]
    assert (tmp_path / first.removeprefix("#:schema ")).is_file()
    (add,) = (line for line in done.stderr.splitlines() if line.startswith("  llmgen models add"))
    added = CliRunner().invoke(root, shlex.split(add)[1:])
    assert added.exit_code == 0, added.output
    assert 'model = "a.gguf"' in (tmp_path / "llm.toml").read_text()

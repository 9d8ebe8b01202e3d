import tomllib

import pytest
from click.testing import CliRunner

from llmgen.cli.boundary import root
from llmgen.config.source import parse
from llmgen.detect.examples import Example, example_for, examples
from llmgen.detect.machine import FoundMachine

MAC = FoundMachine(
    "macos", "metal", 2**37, "/Users/ada", programs=(("llama_server", "/opt/bin/llama"),)
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def run(*words):
    return CliRunner().invoke(root, ["init", *words], prog_name="llmgen")


def test_without_a_name_they_are_listed_and_nothing_is_written(folder):
    done = run("--example")
    assert done.exit_code == 0
    for name in examples():
        assert name in done.stdout
    assert not [*folder.iterdir()]


def test_wrong_name_says_the_nearest_and_all(folder):
    done = run("--example", "follow-olama")
    assert done.exit_code == 2
    assert "no example `follow-olama`; did you mean `follow-ollama`?" in done.stderr
    assert all(name in done.stderr for name in examples())
    assert not [*folder.iterdir()]


def test_example_is_written_for_this_user_and_over_nothing(folder):
    assert run("--example", "agents-on-a-mac").exit_code == 0
    document = tomllib.loads((folder / "llm.toml").read_text())
    assert document["paths"]["home"] == str(folder)
    assert (folder / "llm.schema.json").is_file()
    assert run("--example", "follow-ollama").exit_code == 6
    assert "agents" in (folder / "llm.toml").read_text()


def test_an_example_brings_its_own_machine():
    assert run("--example", "agents-on-a-mac", "--profile", "cpu").exit_code == 2


@pytest.mark.parametrize("name", sorted(examples()))
def test_only_home_and_programs_are_others(name):
    text = example_for(examples()[name], MAC)
    before, after = tomllib.loads(examples()[name].text), tomllib.loads(text)
    assert after["paths"].pop("home") == "/Users/ada"
    assert after["paths"].pop("llama_server") == "/opt/bin/llama"
    for key in ("home", "llama_server"):
        before["paths"].pop(key, None)
    assert after == before


def test_programs_come_where_paths_stand():
    example = Example("x", '# X.\n[paths]\nhome = "/home/me"   # mine\n[sync]\n')
    text = example_for(example, MAC)
    assert parse("x", text).document["paths"]["llama_server"] == "/opt/bin/llama"
    assert 'home = "/Users/ada"   # mine\n' in text

"""What a shell is offered, with a good llm.toml, a broken one, and none."""

import pytest
from click.testing import CliRunner

from llmgen.cli.boundary import COMPLETE, root

GOOD = 'edition = 1\n[models.alpha]\nmodel = "a.gguf"\n[models.beta]\nmodel = "b.gguf"\n'


@pytest.fixture
def complete(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LLMGEN_CONFIG", raising=False)

    def ask(*words, text=GOOD, name="llm.toml"):
        if text is not None:
            (tmp_path / name).write_text(text)
        monkeypatch.setenv(COMPLETE, "bash_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(("llmgen", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        result = CliRunner().invoke(root, [], prog_name="llmgen", complete_var=COMPLETE)
        assert "Traceback" not in result.output
        return result.stdout.split()

    return ask


def test_commands(complete):
    assert complete("gen") == ["plain,generate", "plain,generations"]


@pytest.mark.parametrize("words", [("lock", "al"), ("load", "al"), ("show", "--model", "al")])
def test_models_of_llm_toml(complete, words):
    assert complete(*words) == ["plain,alpha"]


def test_models_of_the_named_file(complete):
    text = '[models.gamma]\nmodel = "g"\n'
    assert complete("-c", "o.toml", "lock", "ga", text=text, name="o.toml") == ["plain,gamma"]


@pytest.mark.parametrize("text", [None, "[models", "models = 3\n", "x = " + "[" * 9000])
def test_nothing_where_llm_toml_cannot_be_read(complete, text):
    assert complete("lock", "al", text=text) == []


def test_targets_and_profiles(complete):
    assert complete("generate", "--target", "llama-sw") == ["plain,llama-swap"]
    assert "plain,nvidia-24gb" in complete("init", "--profile", "nvidia")


def test_files_are_left_to_the_shell(complete):
    assert complete("check", "-c", "l")[0].startswith("file,")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_names_the_program(shell):
    result = CliRunner().invoke(root, ["completion", shell], prog_name="llmgen")
    assert result.exit_code == 0
    assert COMPLETE in result.stdout

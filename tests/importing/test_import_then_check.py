"""`llmgen import`, then `llmgen check`: models may be missing, the file is never wrong."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from importing.samples import SAMPLES

from llmgen.cli.boundary import root
from llmgen.profiles import profiles


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return CliRunner().invoke(root, words, prog_name="llmgen")


def checked(name, text, profile):
    """The exit code of `check` after an import, and what it says."""
    Path(name).write_text(text, "utf-8")
    done = run("import", name, "--profile", profile, "-o", "llm.toml")
    assert done.exit_code == 0, done.output
    result = run("check")
    return result.exit_code, result.output


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("profile", ["cpu", "nvidia-24gb", "nvidia-2x24gb", "apple-silicon-64gb"])
def test_only_models_are_missing(name, profile, folder):
    code, said = checked(name, SAMPLES[name], profile)
    assert code == 4, said
    assert "lock.absent" in said


@pytest.mark.parametrize("profile", sorted(profiles()))
def test_every_profile_is_whole(profile, folder):
    code, said = checked("models.ini", "[a]\nm = a.gguf\n", profile)
    assert code == 4, said


def test_a_profile_that_is_none_is_wrong_usage(folder):
    Path("models.ini").write_text("[a]\nm = a.gguf\n", "utf-8")
    result = run("import", "models.ini", "--profile", "nosuch")
    assert result.exit_code == 2
    assert "`nosuch` is no profile" in result.output


@pytest.mark.parametrize(
    "text", ["\ufeff[a]\nm = a.gguf\nnp = 2\n", "[a]\r\nm = a.gguf\r\nnp = 2\r\n"]
)
def test_files_of_other_systems_are_read(text, folder):
    Path("models.ini").write_bytes(text.encode())
    done = run("import", "models.ini", "--profile", "nvidia-24gb")
    assert "[models.a]\nmodel = " in done.stdout
    assert "parallel = 2" in done.stdout
    assert "default" not in done.stdout

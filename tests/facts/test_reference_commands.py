"""``inspect`` and ``fit`` answer for models that no llm.toml names and that are not here."""

import json

import pytest
from click.testing import CliRunner
from fake_hub import FakeFile, FakeRepo
from gguf_writer import llama, write_gguf

from llmgen.cli.boundary import root


@pytest.fixture
def model(tmp_path, hub, monkeypatch):
    """The same model as a file and on the Hub, and nothing else in this folder."""
    made = write_gguf(tmp_path / "m-Q8_0.gguf", *llama(), data="random")
    hub.repos["org/repo"] = FakeRepo({made.name: FakeFile(made.read_bytes())})
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return made.name


def data(*words):
    result = CliRunner().invoke(root, [*words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"]


@pytest.mark.parametrize("name", ["org/repo:Q8_0", "hf:org/repo:Q8_0", "org/repo:m-Q8_0.gguf"])
def test_a_model_of_the_hub_needs_what_the_file_needs(model, name):
    (here,), (there,) = (data("inspect", word)["models"] for word in (model, name))
    assert there["memory"] == here["memory"]
    words = ("--profile", "nvidia-24gb", "--ctx-size", "4K")
    assert data("fit", name, *words)["cells"] == data("fit", model, *words)["cells"]


def test_a_file_that_is_here_wins_over_the_hub(model, hub, tmp_path):
    (tmp_path / "org").mkdir()
    (tmp_path / model).rename(tmp_path / "org/repo:Q8_0")
    data("inspect", "org/repo:Q8_0")
    assert not hub.requests


def test_an_ollama_model_is_looked_for_in_its_store(model):
    result = CliRunner().invoke(root, ["inspect", "ollama:qwen3:8b"])
    assert result.exit_code == 4
    assert "Ollama" in result.stderr


def test_a_quant_that_is_not_there_names_those_that_are(model):
    result = CliRunner().invoke(root, ["fit", "org/repo:Q4_K_M", "--profile", "nvidia-24gb"])
    assert result.exit_code == 4
    assert "m-Q8_0.gguf" in result.stderr


@pytest.fixture
def repository(model, hub):
    """Four quantisations of one model and what else lies in a repository; returns its name."""
    files = dict(hub.repos["org/repo"].files)
    head = files[model].head
    for name, size in (("m-Q4_K_M.gguf", 2**30), ("m-BF16.gguf", 2**40), ("m-F16.gguf", 2**41)):
        files[name] = FakeFile(head, size)
    files |= {"mmproj-F16.gguf": FakeFile(head), "x-00001-of-00002.gguf": FakeFile(head)}
    hub.repos["org/many"] = FakeRepo(files)
    return "org/many"


def test_a_repository_lists_its_models_with_the_longest_contexts(repository):
    found = data("fit", repository, "--profile", "nvidia-24gb", "--cache-type", "f16")["models"]
    names = ["m-F16.gguf", "m-BF16.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf"]
    assert [item["file"] for item in found] == names
    # Tiny tensors: what counts as too large are the two files beyond all memory.
    (trained,) = {item["contexts"]["f16"] for item in found[2:]}
    assert trained > 0
    assert {item["contexts"]["f16"] for item in found[:2]} == {0}


def test_headers_that_cannot_fit_are_not_read(repository, hub):
    data("fit", repository, "--profile", "nvidia-24gb")
    assert not any("F16" in request for request in hub.requests if "/resolve/" in request)


def test_a_repository_without_models_says_so(repository, hub):
    hub.repos["org/empty"] = FakeRepo({"README.md": FakeFile(b"x")})
    result = CliRunner().invoke(root, ["fit", "hf:org/empty", "--profile", "nvidia-24gb"])
    assert result.exit_code == 4
    assert "has no GGUF model" in result.stderr


def test_a_file_that_is_no_model_is_named_and_the_others_are_answered(repository, hub):
    files = {**hub.repos[repository].files, "a-Q2_K.gguf": FakeFile(b"nothing", 1000)}
    hub.repos[repository] = FakeRepo(files)
    result = CliRunner().invoke(root, ["fit", repository, "--profile", "nvidia-24gb", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert [item["code"] for item in found["diagnostics"]] == ["facts.not-gguf"]
    assert len(found["data"]["models"]) == 5

import json

import pytest
from click.testing import CliRunner
from gguf_writer import llama, write_gguf

from llmgen.cli.boundary import root

MODEL, PROJECTOR, PARAMETERS = "c" * 64, "e" * 64, "f" * 64


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def store(home, name, *, projector=False, parameters=None, **shape):
    """One model of a store, as `ollama pull` leaves it."""
    models = home / ".ollama" / "models"
    write_gguf(models / "blobs" / f"sha256-{MODEL}", *llama(**shape))
    kinds = {"model": MODEL} | ({"projector": PROJECTOR} if projector else {})
    if parameters is not None:
        kinds["params"] = PARAMETERS
        (models / "blobs" / f"sha256-{PARAMETERS}").write_text(parameters)
    layers = [
        {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}"}
        for kind, digest in kinds.items()
    ]
    manifest = models / "manifests" / "registry.ollama.ai" / "library" / name
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))


def run(*words):
    return CliRunner().invoke(
        root, ["import", *words, "--profile", "nvidia-24gb"], prog_name="llmgen"
    )


def test_every_model_of_the_store_becomes_a_table(home):
    store(home, "qwen3/8b")
    store(home, "gemma3/27b", projector=True)
    result = run("--ollama")
    assert result.exit_code == 0, result.stderr
    assert '[models."qwen3:8b"]\nollama = "qwen3:8b"\n' in result.stdout
    assert f'role = "vision"\nmmproj = "~/.ollama/models/blobs/sha256-{PROJECTOR}"' in result.stdout


def test_parameters_of_a_modelfile_are_taken_over(home):
    told = {"num_ctx": 8192, "temperature": 0.6, "repeat_last_n": -1, "stop": ["x"]}
    store(home, "qwen3/8b", parameters=json.dumps(told))
    result = run("--ollama")
    assert "ctx_size = 8192\nsampling = { temp = 0.6 }\n" in result.stdout
    for word in ("repeat_last_n", "stop"):
        assert f"`{word}` of `qwen3:8b` is left out" in result.stderr


@pytest.mark.parametrize("parameters", ["{", "[]", None])
def test_what_cannot_be_read_is_left_out_by_name(home, parameters):
    store(home, "qwen3/8b", parameters=parameters)
    store(home, "gone/1")
    manifests = home / ".ollama/models/manifests/registry.ollama.ai/library"
    text = (manifests / "gone/1").read_text().replace(MODEL, "d" * 64)
    (manifests / "gone/1").write_text(text)
    result = run("--ollama")
    assert result.exit_code == 0
    assert '[models."qwen3:8b"]' in result.stdout
    assert "`gone:1` of Ollama is left out" in result.stderr
    assert ("parameters of `qwen3:8b` is left out" in result.stderr) == (parameters is not None)


def test_no_store(home):
    result = run("--ollama")
    assert result.exit_code == 4
    assert "OLLAMA_MODELS" in result.stderr


def test_nothing_to_import(home):
    result = run()
    assert result.exit_code == 2
    assert "--ollama" in result.stderr


def test_embedder_of_the_store_is_no_chat_model(home):
    store(home, "nomic-embed-text/latest", architecture="nomic-bert")
    assert 'role = "embedding"' in run("--ollama").stdout


def test_what_is_written_can_be_locked_and_checked(home):
    store(home, "qwen3/8b")
    assert run("--ollama", "-o", "llm.toml").exit_code == 0
    for word in ("lock", "check"):
        result = CliRunner().invoke(root, [word], prog_name="llmgen")
        assert result.exit_code == 0, result.stderr

import json
from pathlib import Path

import pytest
from gguf_writer import llama, write_gguf

from llmgen.errors import InputError
from llmgen.facts.sources import Sources, resolve_reference
from llmgen.facts.stores import find_stores, ollama_blob, scan

DIGEST = "c" * 64


def ollama(
    home: Path, name="registry.ollama.ai/library/qwen3/8b", digest=f"sha256:{DIGEST}"
) -> Path:
    """An Ollama store with one model."""
    store = home / ".ollama" / "models"
    write_gguf(store / "blobs" / f"sha256-{DIGEST}", *llama())
    layers = [
        {"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:" + "d" * 64},
        {"mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": 1},
        {"mediaType": "application/vnd.ollama.image.projector", "digest": "sha256:" + "e" * 64},
    ]
    manifest = store / "manifests" / name
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    return store


def sources(home: Path, models: Path | None = None) -> Sources:
    return Sources(models or home / "models", home, find_stores(home, {}))


def refusal(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return caught.value.diagnostics[0]


def test_ollama_model_is_read_from_its_blob(tmp_path):
    ollama(tmp_path)
    entry = resolve_reference("ollama:qwen3:8b", sources(tmp_path))
    (file,) = entry.facts.files
    assert file.name == f"~/.ollama/models/blobs/sha256-{DIGEST}"
    assert file.sha256 == DIGEST
    assert entry.facts.architecture == "llama"


def test_ollama_projector_is_found(tmp_path):
    blob = ollama_blob(ollama(tmp_path), "qwen3:8b")
    assert [path.name for path in blob.projectors] == ["sha256-" + "e" * 64]


@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        ("registry.ollama.ai/library/qwen3/latest", "qwen3"),
        ("registry.ollama.ai/me/qwen3/8b", "me/qwen3:8b"),
        ("hf.co/org/repo/Q4_K_M", "hf.co/org/repo:Q4_K_M"),
    ],
)
def test_ollama_names_are_its_own(tmp_path, manifest, name):
    store = ollama(tmp_path, manifest)
    assert ollama_blob(store, name).sha256 == DIGEST


@pytest.mark.parametrize("name", ["../../x:y", "a/b/c/d:e", "", ":8b", "qwen3:..", "qwen3:/etc"])
def test_name_that_leaves_the_store_is_refused(tmp_path, name):
    assert refusal(ollama_blob, ollama(tmp_path), name).code == "facts.ollama-name"


@pytest.mark.parametrize("digest", ["sha256:../../x", "md5:00", 3, None])
def test_manifest_with_a_bad_digest_is_refused(tmp_path, digest):
    store = ollama(tmp_path, digest=digest)
    assert refusal(ollama_blob, store, "qwen3:8b").code == "facts.ollama-manifest"


@pytest.mark.parametrize("text", ["", "[]", '{"layers": 3}', '{"layers": [{}]}', "[" * 10**5])
def test_damaged_manifest_is_refused(tmp_path, text):
    store = ollama(tmp_path)
    (store / "manifests/registry.ollama.ai/library/qwen3/8b").write_text(text)
    assert refusal(ollama_blob, store, "qwen3:8b").code == "facts.ollama-manifest"


def test_absent_model_says_how_to_get_it(tmp_path):
    found = refusal(ollama_blob, ollama(tmp_path), "gemma3")
    assert "ollama pull gemma3" in found.hint


def test_absent_store_is_named(tmp_path):
    assert refusal(resolve_reference, "ollama:x", sources(tmp_path)).code == "facts.no-store"
    assert refusal(resolve_reference, "lmstudio:x", sources(tmp_path)).code == "facts.no-store"


def test_lm_studio_file_is_read(tmp_path):
    write_gguf(tmp_path / ".lmstudio/models/org/repo/m.gguf", *llama())
    entry = resolve_reference("lmstudio:org/repo/m.gguf", sources(tmp_path))
    assert entry.facts.files[0].name == "~/.lmstudio/models/org/repo/m.gguf"


def test_file_below_the_home_or_the_models(tmp_path):
    write_gguf(tmp_path / "models/sub/m.gguf", *llama())
    assert (
        resolve_reference("file:sub/m.gguf", sources(tmp_path)).facts.files[0].name == "sub/m.gguf"
    )
    assert (
        resolve_reference("file:~/models/sub/m.gguf", sources(tmp_path)).facts.architecture
        == "llama"
    )
    assert resolve_reference(f"file:{tmp_path}/models/sub/m.gguf", sources(tmp_path)).revision == ""


def test_unknown_source_is_refused(tmp_path):
    assert refusal(resolve_reference, "ftp:x", sources(tmp_path)).code == "facts.unknown-source"


def test_environment_names_the_stores(tmp_path):
    found = find_stores(tmp_path, {"OLLAMA_MODELS": "/o", "LLAMA_CACHE": "/l", "HF_HOME": "/h"})
    assert (found.ollama, found.llama_cpp, found.hub) == (Path("/o"), Path("/l"), Path("/h/hub"))


def test_scan_finds_models_everywhere(tmp_path):
    ollama(tmp_path)
    write_gguf(tmp_path / ".lmstudio/models/org/repo/m.gguf", *llama())
    write_gguf(tmp_path / ".cache/llama.cpp/org_repo_m.gguf", *llama())
    for number in (1, 2):
        write_gguf(tmp_path / f"models/big-{number:05d}-of-00002.gguf", *llama())
    found = scan(find_stores(tmp_path, {}), tmp_path / "models")
    assert [item.ref for item in found] == [
        "file:big-00001-of-00002.gguf",
        "lmstudio:org/repo/m.gguf",
        "ollama:qwen3:8b",
        f"file:{tmp_path}/.cache/llama.cpp/org_repo_m.gguf",
    ]

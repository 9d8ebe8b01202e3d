"""The reference stacks' own snippets: what is taken over, and which faults are named."""

from pathlib import Path

import pytest

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.errors import InputError
from llmgen.importing.sniff import from_text
from llmgen.importing.write import document

DATA = Path(__file__).with_name("data")
FILES = sorted(path.name for path in DATA.iterdir())


def imported(name):
    return from_text(name, (DATA / name).read_text("utf-8"))


def faults(name):
    return {item.code.removeprefix("import.") for item in imported(name).faults}


@pytest.mark.parametrize("name", FILES)
def test_what_import_writes_is_a_valid_llm_toml(name):
    text = document(imported(name), {"profile": "nvidia-24gb"}, home="/home/me")
    load([parse("llm.toml", text)])


def test_llama_swap_guide():
    model = imported("swap.md").tables["models", "my-new-model"]
    assert model["model"] == "my-model-folder/my-model.gguf"
    assert (model["ctx_size"], model["n_gpu_layers"], model["ttl"]) == (32768, "all", 0)
    assert (model["flash_attn"], model["jinja"], model["load_mode"]) == ("on", True, "mmap+mlock")
    assert faults("swap.md") == {
        "no-such-route", "removed-option", "group-exclusive", "secret-in-clear", "left-out",
    }  # fmt: skip


def test_sampler_file():
    part = imported("samplers.md")
    model = part.tables["models", "codestral:22.2b-q8_0"]
    assert model["sampling"] == {"top_n_sigma": 1.5, "min_p": 0.05, "temp": 0.4}
    assert part.tables["guard",] == {"threshold": 85}
    assert faults("samplers.md") == {"no-such-route"}


def test_compose_stack():
    part = imported("compose.md")
    assert part.tables["defaults",] == {"ctx_size": 8192, "n_gpu_layers": "all"}
    assert part.tables["models", "gpt-oss-120b-mxfp4"]["default"] is True
    assert faults("compose.md") == {
        "build-flag-is-environment", "layers-by-number", "model-file-switch",
    }  # fmt: skip


def test_manager_of_a_folder():
    part = imported("manager.json")
    assert part.tables["defaults",] == {
        "ctx_size": 16384, "n_gpu_layers": "all", "threads": 8, "ttl": 300,
    }  # fmt: skip
    assert part.tables["models", "Qwen3-8B-Q8_0"]["aliases"] == ["Qwen3-8B-Q8_0.gguf"]
    assert faults("manager.json") == {"one-context-for-all"}


def test_document_with_tables():
    part = imported("halo.md")
    chat = part.tables["models", "devstral-2-123b-q4-k-m"]
    assert (chat["ctx_size"], chat["port"]) == (262144, 8000)
    assert chat["aliases"] == ["gpt-4", "gpt-4o"]
    assert part.tables["models", "qwen3-embedding-8b-q8"]["role"] == "embedding"
    assert faults("halo.md") == {"conf-sourced-by-shell", "old-variable", "cache-by-hidden-size"}


def test_an_llm_toml_is_no_router_preset():
    with pytest.raises(InputError, match=r"an llm.toml already"):
        from_text("llm.toml", '#:schema x\n\nedition = 1\n[models.a]\nmodel = "a.gguf"\n')


def test_a_file_of_another_kind_is_refused():
    with pytest.raises(InputError) as caught:
        from_text("notes.txt", "nothing of interest\n")
    assert caught.value.diagnostics[0].code == "import.unknown"

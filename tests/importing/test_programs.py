"""Files of the programs themselves: llama-swap's YAML, the router's INI, LiteLLM's YAML."""

import pytest

from llmgen.importing.command_line import keys_of
from llmgen.importing.sniff import from_text


def part(text):
    return from_text("file", text)


def codes(found):
    return [item.code.removeprefix("import.") for item in found]


def test_macros_comments_and_continuations_of_a_cmd():
    text = """
macros: {server: /opt/llama-server, base: "${server} --port ${PORT}"}
models:
  "a":
    cmd: |
      ${base} \\
      # a comment
      -m /models/a.gguf -c 4096
"""
    found = part(text)
    assert found.tables["models", "a"] == {"model": "/models/a.gguf", "ctx_size": 4096}
    assert found.tables["paths",] == {"llama_server": "/opt/llama-server"}


def test_other_servers_are_left_out_by_name():
    found = part(
        'models: {w: {cmd: "whisper-server --port ${PORT}"}, a: {cmd: "llama-server -m /a"}}'
    )
    assert codes(found.faults) == ["left-out"]


def test_key_that_is_an_option_of_the_command_line():
    found = part('listen: ":8080"\nmodels: {a: {cmd: "llama-server -m /a"}}')
    assert codes(found.faults) == ["unknown-key"]


def test_variant_becomes_a_variant_and_a_secret_a_reference():
    text = """
models:
  a:
    cmd: llama-server -m /a.gguf
    env: ["HF_TOKEN=hf_abc"]
    filters: {setParamsByID: {"${MODEL_ID}:high": {reasoning_effort: high}}}
"""
    found = part(text)
    assert found.tables["models", "a"]["variants"] == {
        "a:high": {"params": {"reasoning_effort": "high"}}
    }
    assert found.tables["models", "a"]["environment"] == {"HF_TOKEN": {"env": "HF_TOKEN"}}
    assert codes(found.faults) == ["secret-in-clear"]


def test_group_members_and_preload_that_do_not_exist():
    text = """
models: {a: {cmd: llama-server -m /a.gguf, aliases: [x]}}
groups: {g: {exclusive: false, members: [x, z]}}
hooks: {on_startup: {preload: [a, q]}}
"""
    found = part(text)
    assert codes(found.faults) == ["group-member", "group-member", "preload-unknown"]
    assert found.tables["models", "a"]["preload"] is True


def test_router_preset():
    text = """
version = 1
[*]
cache-ram = 2048     ; MiB
[qwen]
model = models/q.gguf
ctx-size = 32768
kv-unified = true
mlock = true
alias = small,default
load-on-startup = true
"""
    found = part(text)
    assert found.tables["defaults",] == {"cache_ram": "2048MiB"}
    assert found.tables["models", "qwen"] == {
        "model": "models/q.gguf", "ctx_size": 32768, "kv_unified": True, "load_mode": "mlock",
        "aliases": ["small", "default"], "preload": True,
    }  # fmt: skip
    assert codes(found.faults) == ["removed-option"]


def test_router_section_that_stands_twice():
    found = part("[a]\nmodel = a.gguf\nctx-size = 1024\n[a]\nmodel = b.gguf\n")
    assert codes(found.faults) == ["section-twice"]
    assert found.tables["models", "a"] == {"model": "b.gguf"}


def test_litellm_rows():
    text = """
model_list:
  - {model_name: gpt-4, litellm_params: {model: openai/dev, api_base: "http://127.0.0.1:8000/v1"}}
  - {model_name: devstral, litellm_params: {model: openai/dev, api_base: "http://127.0.0.1:8000/v1"}}
  - {model_name: devstral, litellm_params: {model: openai/dev, api_base: "http://127.0.0.1:8000/v1"}}
  - {model_name: bge-reranker, litellm_params: {model: openai/bge, api_base: "http://127.0.0.1:8002/v1"}}
general_settings: {master_key: sk-local-secret}
"""
    found = part(text)
    assert found.tables["external", "gpt-4"]["aliases"] == ["devstral"]
    assert set(codes(found.faults)) == {"row-twice", "secret-in-clear", "rerank-provider"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("-t 0.1", "threads-not-temperature"),
        ("--rerank -c 512 --parallel 4", "slot-too-small"),
        ("--embedding -c 8192 -np 4", "batch-below-input"),
        ("--no-mmap", "removed-option"),
        ("--api-key abc", "secret-in-clear"),
    ],
)
def test_command_line_that_does_not_do_what_was_meant(words, code):
    _, found = keys_of("m", words.split())
    assert code in codes(found)


def test_unknown_words_become_extra_arguments():
    keys, _ = keys_of("m", ["--new-option", "3", "--flag", "-ngl", "20"])
    assert keys == {"extra_args": ["--new-option", "3", "--flag"], "n_gpu_layers": 20}

"""Files of the programs themselves: llama-swap's YAML, the router's INI, LiteLLM's YAML."""

import pytest

from llmgen.errors import InputError
from llmgen.importing.acceptance import accepted
from llmgen.importing.command_line import keys_of
from llmgen.importing.names import with_names
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


def test_env_before_a_command_is_its_environment():
    found = part('models: {a: {cmd: "env A=1 B=2 /bin/llama-server -m /a", env: [C=3]}}')
    assert found.tables["models", "a"]["environment"] == {"C": "3", "A": "1", "B": "2"}


def test_command_that_cannot_be_read_is_named():
    with pytest.raises(InputError, match="`cmd` of `a`: No closing quotation"):
        part("models: {a: {cmd: llama-server -m 'x}}")


def test_other_servers_are_their_command_and_alone():
    found = part(
        'models: {w: {cmd: "whisper-server --port ${PORT}"}, a: {cmd: "llama-server -m /a"}}'
    )
    assert codes(found.faults) == ["alone"]
    assert found.tables["models", "w"] == {
        "engine": "command", "cmd": ["whisper-server", "--port", "${PORT}"],
        "role": "transcription", "keep": "on_demand", "memory": "all",
    }  # fmt: skip


def test_what_may_be_beside_others_has_to_say_what_it_takes():
    text = """
models:
  w: {cmd: "tts-server --port ${PORT} --api-key sk-123456", cmdStop: "kill ${PID}", checkEndpoint: /up}
  a: {cmd: "llama-server -m /a"}
groups: {g: {swap: false, exclusive: false, members: [w, a]}}
"""
    found = part(text)
    assert codes(found.faults) == ["secret-in-clear", "no-memory"]
    assert found.tables["models", "w"] == {
        "engine": "command", "role": "speech", "keep": "on_demand",
        "cmd": ["tts-server", "--port", "${PORT}", "--api-key", "${env.W_KEY}"],
        "cmd_stop": ["kill", "${PID}"], "check_endpoint": "/up",
        "environment": {"W_KEY": {"env": "W_KEY"}},
    }  # fmt: skip


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


def test_options_in_the_environment_become_keys_and_the_command_line_wins():
    text = """
models:
  a:
    cmd: llama-server -m /a.gguf -c 4096
    env: [LLAMA_ARG_CTX_SIZE=8192, LLAMA_ARG_N_PARALLEL=4, LLAMA_ARG_KV_OFFLOAD=false, X=1]
"""
    keys = part(text).tables["models", "a"]
    assert (keys["ctx_size"], keys["parallel"], keys["kv_offload"]) == (4096, 4, False)
    assert keys["environment"] == {"X": "1"}


def test_key_of_a_server_is_no_plain_variable():
    found = part('models: {a: {cmd: "llama-server -m /a.gguf", env: ["LLAMA_API_KEY=x"]}}')
    assert codes(found.faults) == ["secret-in-clear"]
    assert "environment" not in found.tables["models", "a"]


def test_group_members_and_preload_that_do_not_exist():
    text = """
models: {a: {cmd: llama-server -m /a.gguf, aliases: [x]}}
groups: {g: {exclusive: false, members: [x, z]}}
hooks: {on_startup: {preload: [a, q]}}
"""
    found = part(text)
    assert codes(found.faults) == ["preload-unknown", "group-member", "group-member"]
    assert found.tables["models", "a"]["preload"] is True


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["-hf", "o/n-GGUF:Q8_0"], {"hf_repo": "o/n-GGUF", "quant": "Q8_0"}),
        (["--hf-repo", "o/n", "-hff", "a.gguf"], {"hf_repo": "o/n", "hf_file": "a.gguf"}),
        (["-m", "/a", "-hfd", "o/d"], {"model": "/a", "draft": {"hf_repo": "o/d"}}),
        (
            ["-mu", "https://huggingface.co/o/n/resolve/main/q/a.gguf"],
            {"hf_repo": "o/n", "hf_file": "q/a.gguf"},
        ),
    ],
)
def test_models_of_the_hub_keep_their_source(words, keys):
    assert keys_of("a", words) == (keys, [])


def test_options_without_a_key_are_named():
    keys, faults = keys_of("a", ["-m", "/a", "--rpc", "h:1", "-cram", "-1", "--port", "1"])
    assert keys == {"model": "/a"}
    assert [item.message.split("`")[1] for item in faults] == ["--rpc h:1", "-cram -1"]


def test_settings_of_a_model_that_have_no_place_are_named():
    text = """
models:
  a:
    cmd: llama-server -m /a.gguf
    name: A model
    env: ["TOKEN_DIR=${env.WHERE}"]
    useModelName: b
    filters: {strip_params: "top_p"}
peers: {far: {proxy: "http://h:1/v1", models: [m], apiKey: "${env.FAR}"}}
apiKeys: ["${env.MINE}"]
store: x
"""
    found = part(text)
    left = [item.message.split("`")[1] for item in found.faults]
    assert left == ["store"]
    model = found.tables["models", "a"]
    assert model["llama_swap"] == {"useModelName": "b", "filters": {"stripParams": "top_p"}}
    assert (model["title"], model["environment"]) == ("A model", {"TOKEN_DIR": {"env": "WHERE"}})
    assert found.tables["services", "llama_swap"] == {"api_keys": [{"env": "MINE"}]}
    assert found.tables["external", "m"] == {
        "endpoint": "http://h:1", "api_key": {"env": "FAR"}, "aliases": ["far/m"],
    }  # fmt: skip


def test_router_sections_and_variables():
    text = """
[o/n-GGUF:Q8_0]
LLAMA_ARG_N_PARALLEL = 4
stop-timeout = 10
[b]
hf = o/m
"""
    found = part(text)
    assert found.tables["models", "o/n-GGUF:Q8_0"] == {
        "hf_repo": "o/n-GGUF", "quant": "Q8_0", "parallel": 4,
    }  # fmt: skip
    assert found.tables["models", "b"] == {"hf_repo": "o/m"}
    assert found.tables["services",] == {"on_demand": "router", "stop_timeout": 10}
    assert codes(found.faults) == []


def test_names_that_llm_toml_does_not_take_are_changed_and_said():
    text = """
models:
  a-b: {cmd: llama-server -m /x.gguf, aliases: [a-b, "c d", e]}
  "a b": {cmd: llama-server -m /y.gguf}
"""
    found = with_names(part(text))
    assert found.tables["models", "a-b"] == {"model": "/x.gguf", "aliases": ["e"]}
    assert found.tables["models", "a-b-2"] == {"model": "/y.gguf"}
    assert codes(found.faults) == ["renamed", "left-out"]


def test_litellm_rows_of_others():
    text = """
model_list:
  - {model_name: gpt, litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_KEY}}
  - {model_name: claude, litellm_params: {model: anthropic/claude}}
  - {model_name: hidden, litellm_params: {model: azure/x, api_base: os.environ/BASE}}
  - {model_name: "*", litellm_params: {model: "openai/*"}}
general_settings: {master_key: os.environ/MASTER}
"""
    found = part(text)
    rows = found.tables["gateway", "litellm"].pop("extra")["model_list"]
    assert [row["model_name"] for row in rows] == ["claude", "hidden", "*"]
    assert found.tables == {
        ("gateway", "litellm"): {"enable": True, "master_key": {"env": "MASTER"}},
        ("external", "gpt"): {
            "endpoint": "https://api.openai.com", "role": "chat", "upstream_model": "gpt-4o",
            "api_key": {"env": "OPENAI_KEY"},
        }
    }  # fmt: skip
    assert codes(found.faults) == ["left-out"] * 3


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
        "model": "models/q.gguf", "ctx_size": 32768, "kv_unified": True, "load_mode": "mmap+mlock",
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
        ("--jinja --chat-template llama3", "template-with-jinja"),
        ("--api-key abc", "secret-in-clear"),
    ],
)
def test_command_line_that_does_not_do_what_was_meant(words, code):
    _, found = keys_of("m", words.split())
    assert code in codes(found)


def test_options_without_a_key_become_extra_arguments():
    words = ["--keep", "-1", "--no-warmup", "-ngl", "20", "--keep", "8", "-l", "1+2", "-l", "3-4"]
    keys, faults = keys_of("m", words)
    extra = ["--no-warmup", "--keep", "8", "-l", "1+2", "-l", "3-4"]
    assert (keys, faults) == ({"extra_args": extra, "n_gpu_layers": 20}, [])


def test_options_that_no_build_has_are_named_and_kept_for_a_fork():
    words = ["-mla", "3", "-fmoe", "--warmpu", "-ngl", "20"]
    keys, faults = keys_of("m", words)
    assert keys == {"n_gpu_layers": 20}
    assert [item.message.split("`")[1] for item in faults] == ["-mla 3", "-fmoe", "--warmpu"]
    assert faults[2].hint == "did you mean `--warmup`?"
    keys, faults = keys_of("m", words, fork=True)
    assert keys["extra_args"] == ["-mla", "3", "-fmoe", "--warmpu"]
    assert codes(faults) == ["own-option"] * 3


def test_options_of_a_fork_stay_with_its_program():
    text = """
models:
  a: {cmd: /opt/llama/llama-server -m /a.gguf}
  b: {cmd: /opt/ik_llama/llama-server -m /b.gguf -mla 3 -fmoe}
"""
    found = with_names(part(text))
    assert found.tables["models", "b"]["llama_server"] == "/opt/ik_llama/llama-server"
    assert found.tables["models", "b"]["extra_args"] == ["-mla", "3", "-fmoe"]
    kept = accepted(found, {"profile": "cpu"}, home="/h").tables
    assert kept["models", "b"]["extra_args"] == ["-mla", "3", "-fmoe"]

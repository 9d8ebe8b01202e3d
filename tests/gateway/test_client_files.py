"""Client files: one address, every listed name, the context that one request really has.

`test_client_readers.py` lets the clients read theirs.
"""

import json
import subprocess

import pytest
from targets.plans import STACK, plan
from yaml_reader import read_yaml

from llmgen.render.environment import make_render
from llmgen.targets import clients

KEYED = """
[gateway.envoy]
enable = true
listen = ["10.0.0.1", "127.0.0.1"]
api_keys = [{ name = "a", secret = { env = "A" } }]
"""
CONTEXTS = {"big": 32768, "big:think": 32768, "small/coder": 8192}


def files(text=STACK):
    made = clients.artifacts(plan(text), make_render())
    return {item.path.relative_to("clients").as_posix(): item for item in made}


def test_all_six_are_written_and_none_is_installed():
    found = files()
    assert found.keys() == {
        "env/llm.env",
        "opencode/opencode.json",
        "continue/config.yaml",
        "aider/.aider.conf.yml",
        "aider/.aider.model.metadata.json",
        "zed/settings.json",
        "open_webui/open-webui.env",
    }
    assert {item.install for item in found.values()} == {None}


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("[gateway.envoy]\nenable = true\nport = 5001", "http://127.0.0.1:5001"),
        ('[gateway.envoy]\nenable = true\nlisten = ["::1"]', "http://[::1]:4001"),
        (KEYED, "http://127.0.0.1:4001"),
        (KEYED.replace('"10.0.0.1", "127.0.0.1"', '"::"'), "http://[::1]:4001"),
        ("[gateway.litellm]\nenable = true", "http://127.0.0.1:4000"),
        (
            '[services.llama_swap]\nlisten = "10.0.0.1"\napi_keys = [{ env = "A" }]',
            "http://10.0.0.1:8080",
        ),
        ('[services.llama_swap]\nlisten = "::1"', "http://[::1]:8080"),
        ('[services]\non_demand = "router"\nrouter = { listen = "[::1]" }', "http://[::1]:8080"),
        ("", "http://127.0.0.1:8080"),
        ('[services]\non_demand = "router"\nrouter = { port = 8181 }', "http://127.0.0.1:8181"),
        ('[services]\non_demand = "none"', "http://127.0.0.1:9001"),
        ('[targets.clients]\nbase_url = "https://llm.example.org/v1/"', "https://llm.example.org"),
    ],
)
def test_the_address_is_what_clients_of_this_machine_reach(text, url):
    assert clients.base_url(plan(text + '\n[models.a]\nmodel = "small.gguf"\n')) == url


def test_nothing_is_written_where_nothing_is_served():
    assert files('[services]\non_demand = "none"') == {}


def test_opencode_has_the_context_of_one_slot():
    document = json.loads(files()["opencode/opencode.json"].content)
    provider = document["provider"]["llmgen"]
    assert {name: item["limit"]["context"] for name, item in provider["models"].items()} == CONTEXTS
    assert all(
        2 * i["limit"]["output"] <= i["limit"]["context"] for i in provider["models"].values()
    )
    assert document["model"] == "llmgen/big"
    assert provider["options"] == {
        "baseURL": "http://127.0.0.1:4001/v1",
        "apiKey": "{env:LLM_API_KEY}",
    }


@pytest.mark.parametrize(("keys", "tools"), [("", True), ("jinja = false", False)])
def test_tools_are_offered_where_the_server_takes_them(keys, tools):
    found = files(f'[models.a]\nmodel = "small.gguf"\n{keys}\n')
    provider = json.loads(found["opencode/opencode.json"].content)["provider"]
    (zed,) = json.loads(found["zed/settings.json"].content)["language_models"][
        "openai_compatible"
    ].values()
    assert provider["llmgen"]["models"]["a"]["tool_call"] is tools
    assert zed["available_models"][0]["capabilities"]["tools"] is tools
    listed = read_yaml(found["continue/config.yaml"].content)["models"][0]
    assert listed.get("capabilities") == (["tool_use"] if tools else None)


def test_continue_has_roles_and_contexts():
    models = read_yaml(files()["continue/config.yaml"].content)["models"]
    assert {
        item["model"]: item["defaultCompletionOptions"]["contextLength"]
        for item in models
        if "chat" in item["roles"]
    } == CONTEXTS
    assert [item["model"] for item in models if item["roles"] == ["embed"]] == ["embed"]
    assert {item["apiKey"] for item in models} == {"${{ secrets.LLM_API_KEY }}"}


def test_aider_and_zed_have_the_contexts():
    found = files()
    facts = json.loads(found["aider/.aider.model.metadata.json"].content)
    assert {
        key.removeprefix("openai/"): item["max_input_tokens"] for key, item in facts.items()
    } == CONTEXTS
    conf = read_yaml(found["aider/.aider.conf.yml"].content)
    assert conf["model"] == "openai/big"
    provider = json.loads(found["zed/settings.json"].content)["language_models"][
        "openai_compatible"
    ]
    listed = provider["llmgen"]["available_models"]
    assert {item["name"]: item["max_tokens"] for item in listed} == CONTEXTS


@pytest.mark.parametrize("name", ["env/llm.env", "open_webui/open-webui.env"])
@pytest.mark.parametrize("key", ["sk-1 $(x) '\"", None])
def test_environment_files_take_the_key_from_the_environment(tmp_path, name, key):
    path = tmp_path / "file"
    path.write_bytes(files()[name].content)
    variables = {"LLM_API_KEY": key} if key else {}
    script = 'set -a; . "$1"; env -0'
    done = subprocess.run(
        ["sh", "-c", script, "sh", path], env=variables, capture_output=True, check=True
    )
    found = dict(item.split("=", 1) for item in done.stdout.decode().split("\0") if item)
    keys = {value for name, value in found.items() if name.endswith(("_KEY", "_KEYS", "_TOKEN"))}
    assert keys == {key or "none"}
    addresses = {value for name, value in found.items() if "_URL" in name}
    assert all(item.startswith("http://127.0.0.1:4001") for item in addresses)


def test_only_wanted_formats_are_written():
    assert files(STACK + '[targets.clients]\nformats = ["zed"]\n').keys() == {"zed/settings.json"}


ROUTER = """
[services]
on_demand = "router"
[models.big]
model = "big.gguf"
[models.big.variants.deep]
params = { temperature = 0.2 }
[models."small/coder"]
model = "small.gguf"
keep = "always"
[models.embed]
model = "embed.gguf"
role = "embedding"
ctx_size = 2048
[models.rank]
model = "rank.gguf"
role = "rerank"
ctx_size = 1024
[external.far]
endpoint = "http://10.0.0.9:8000"
"""
ENGINE, CODER, EMBED, RANK = (f"http://127.0.0.1:{port}/v1" for port in (8080, 9001, 9002, 9003))


def test_beside_the_router_each_always_on_server_has_its_own_address():
    found = files(ROUTER)
    models = read_yaml(found["continue/config.yaml"].content)["models"]
    assert {item["model"]: item["apiBase"] for item in models} == {
        "big": ENGINE, "small/coder": CODER, "embed": EMBED,
    }  # fmt: skip
    web = found["open_webui/open-webui.env"].content.decode()
    assert f"OPENAI_API_BASE_URLS='{ENGINE};{CODER}'" in web
    assert 'OPENAI_API_KEYS="${LLM_API_KEY:-none};${LLM_API_KEY:-none}"' in web
    assert f"RAG_OPENAI_API_BASE_URL={EMBED}\n" in web
    assert f"RAG_EXTERNAL_RERANKER_URL={RANK}/rerank\n" in web


def test_clients_with_providers_have_one_for_each_address():
    found = files(ROUTER)
    zed = json.loads(found["zed/settings.json"].content)["language_models"]["openai_compatible"]
    assert {name: item["api_url"] for name, item in zed.items()} == {
        "llmgen": ENGINE, "llmgen-small-coder": CODER,
    }  # fmt: skip
    opencode = json.loads(found["opencode/opencode.json"].content)
    assert opencode["provider"].keys() == zed.keys()
    assert opencode["provider"]["llmgen"]["models"].keys() == {"big"}
    assert opencode["model"] == "llmgen/big"


def test_clients_with_one_address_are_offered_what_it_serves():
    facts = json.loads(files(ROUTER)["aider/.aider.model.metadata.json"].content)
    assert facts.keys() == {"openai/big"}


def test_no_engine_is_said_to_serve_external_models():
    text = ROUTER.replace("router", "llama_swap")
    opencode = json.loads(files(text)["opencode/opencode.json"].content)
    assert opencode["provider"]["llmgen"]["models"].keys() == {"big", "deep", "small/coder"}

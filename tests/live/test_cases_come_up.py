"""Every llm.toml of tests/cases comes up, the repository's own among them, and every name answers.

The machine, the paths, the ports and the model files are the test's (tiny models of the same
roles); models, names, slots, engine and order are the case's.
"""

import json
import tomllib
from pathlib import Path

import pytest
import readers
import stack as live
from readers.ports import free_ports

from llmgen.config.config import Config

pytestmark = [pytest.mark.thorough, pytest.mark.reader("llama-server"), pytest.mark.reader("envoy")]

ROOT = Path(__file__).parents[2]
CASES = sorted(ROOT.glob("tests/cases/*/llm.toml"))
FILES = {"embedding": "embed.gguf", "rerank": "rank.gguf"}
SOURCE = ("hf_repo", "hf_file", "quant", "revision", "ollama", "lm_studio")
# What belongs to the case's own files or devices.
MACHINE = (
    *("mmproj", "mmproj_offload", "draft", "lora", "chat_template_file", "environment", "host"),
    *("device", "tensor_split", "n_gpu_layers", "n_cpu_moe", "main_gpu", "split_mode", "port"),
    *("load_mode", "replicas", "rope_scaling", "rope_scale", "yarn_orig_ctx", "cache_ram"),
)
REQUESTS = {
    "embedding": ("/v1/embeddings", {"input": "x"}),
    "rerank": ("/v1/rerank", {"query": "q", "documents": ["a", "b"]}),
}
CHAT = ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 2})


def moved(path, folder):
    """The case's config on the test's machine."""
    document = tomllib.loads(path.read_text())
    head = live.HEAD.format(folder=folder, llmgen=live.LLMGEN, **live.programs())
    first = free_ports(40)[0]
    services = document.setdefault("services", {})
    for key in ("user", "group", "groups", "api_key", "scope"):
        services.pop(key, None)
    services["start_port"] = first + 10
    for name in ("llama_swap", "router"):
        services[name] = {"port": first}
    services["llama_swap"]["start_port"] = first + 20
    document["gateway"] = {"envoy": {"enable": True, "port": first + 1, "admin_port": first + 2}}
    # Other engines run in test_mixed_engines, and no container is here: the case's llama-servers.
    document["models"] = {
        name: table
        for name, table in document["models"].items()
        if not {"engine", "container"} & table.keys()
    }
    for table in (document.get("defaults", {}), *document["models"].values()):
        for key in (*SOURCE, *MACHINE):
            table.pop(key, None)
    for table in document["models"].values():
        table["model"] = FILES.get(table.get("role"), "chat.gguf")
        if isinstance(table.get("ctx_size"), str | int):
            table["ctx_size"] = 4096
    for key in ("external", "guard", "budget", "plan", "llama_cpp"):
        document.pop(key, None)
    return Config.model_validate_json(json.dumps({**document, **tomllib.loads(head)}))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.parent.name)
def test_every_name_of_the_case_is_answered(tmp_path, case):
    chosen = moved(case, tmp_path)
    if chosen.services.on_demand == "llama_swap" and readers.find("llama-swap") is None:
        pytest.skip("reader `llama-swap` is missing")
    live.write_models(tmp_path / "models")
    url = f"http://127.0.0.1:{chosen.gateway.envoy.port}"
    with live.Stack(chosen, tmp_path) as stack:
        listed = {item["id"] for item in json.loads(live.get(f"{url}/v1/models")[1])["data"]}
        for model in stack.plan.library.models:
            assert model.unlisted or listed >= set(model.names)
            path, body = REQUESTS.get(model.role, CHAT)
            for name in model.names:
                status, text, _ = live.post(url + path, {"model": name, **body}, 60)
                assert status == 200, (name, text)

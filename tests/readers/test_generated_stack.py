"""From an llm.toml to answers: llmgen's own commands, then the programs on what they wrote."""

import json
import os
import subprocess
import sys

import httpx
import pytest
from gguf_writer import write_llama

import readers
from readers.ports import free_port
from readers.running import running
from readers.systemd_syntax import read_environment_file

TEXT = """
edition = 1
[hardware]
os = "linux"
backend = "cpu"
memory = "16GiB"
devices = []
[paths]
home = "/home/llm"
models = "{models}"
llama_server = "{server}"
[services]
start_port = {start}
[services.llama_swap]
start_port = {swap_start}
[models.talker]
model = "talker.gguf"
ctx_size = 1024
aliases = ["gpt-4o", "claude-sonnet-4-5"]
chat_template = "chatml"
[models.other]
model = "other.gguf"
ctx_size = 1024
chat_template = "chatml"
[models.embedder]
role = "embedding"
model = "embedder.gguf"
ctx_size = 512
aliases = ["text-embedding-3-small"]
"""


def llmgen(folder, *words):
    done = subprocess.run(
        [sys.executable, "-m", "llmgen", "-c", folder / "llm.toml", *words],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    for seed, name in enumerate(("talker", "other")):
        write_llama(folder / f"{name}.gguf", seed=seed)
    write_llama(folder / "embedder.gguf", more={"llama.pooling_type": 1})
    server = readers.find("llama-server") or "/usr/local/bin/llama-server"
    text = TEXT.format(
        models=folder, server=server, start=free_port(), swap_start=free_port(following=1)
    )
    (folder / "llm.toml").write_text(text)
    llmgen(folder, "lock")
    llmgen(folder, "generate")
    llmgen(folder, "generate", "--check")
    return folder / "generated"


def chat(url, model):
    message = {"role": "user", "content": "ab"}
    body = {"model": model, "messages": [message], "max_tokens": 3}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=90)


@pytest.mark.reader("llama-swap", "llama-server")
def test_llama_swap_answers_through_an_alias(generated, tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    config = generated / "llama-swap" / "config.yaml"
    words = [readers.find("llama-swap"), "-config", config, "-listen", f"127.0.0.1:{port}"]
    proof = json.loads((generated / "plan.json").read_text())
    with running(words, ready=f"{url}/health", log=tmp_path / "log"):
        answers = {name: chat(url, name) for name in ("gpt-4o", "claude-sonnet-4-5", "other")}
        active = {item["model"] for item in httpx.get(f"{url}/running").json()["running"]}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
        answers, 200
    )
    assert [answers[name].json()["model"] for name in answers] == ["talker", "talker", "other"]
    assert any(active <= {*state["models"]} for state in proof["states"])


@pytest.mark.reader("llama-server")
def test_router_answers_through_an_alias(generated, tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [
        readers.find("llama-server"),
        *("--models-preset", generated / "llama-server" / "models.ini"),
        *("--models-max", "1", "--host", "127.0.0.1", "--port", str(port)),
    ]
    env = {"LLAMA_CACHE": str(tmp_path)}
    with running(words, env=env, ready=f"{url}/health", log=tmp_path / "log"):
        assert chat(url, "gpt-4o").status_code == 200


@pytest.mark.reader("llama-server")
def test_always_on_server_answers_at_its_port(generated, tmp_path):
    env = read_environment_file((generated / "llama-server" / "embedder.conf").read_text())
    url = f"http://127.0.0.1:{env['LLAMA_ARG_PORT']}"
    with running(
        [readers.find("llama-server")], env=env, ready=f"{url}/health", log=tmp_path / "log"
    ):
        got = httpx.post(f"{url}/v1/embeddings", json={"model": "embedder", "input": "ab"}).json()
    assert len(got["data"][0]["embedding"]) == 64

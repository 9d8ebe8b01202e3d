"""llama-server and llama-swap themselves run what the targets wrote, with tiny models."""

import sys
from pathlib import Path

import httpx
import pytest
import yaml
from gguf_writer import RERANKER, write_llama

import readers
from readers.ports import free_port
from readers.running import running
from readers.systemd_syntax import read_environment_file

sys.path.append(str(Path(__file__).parent.parent / "targets"))
import plans

from llmgen.options import BY_FLAG, spelled
from llmgen.plan.command import argv
from llmgen.render.environment import make_render
from llmgen.targets import llama_server, llama_swap

TEXT = """
[services]
on_demand = "{engine}"
start_port = {port}
[services.{engine}]
port = {engine_port}
{more}
[models.chat]
model = "chat.gguf"
ctx_size = 2048
parallel = 2
cache_type_k = "q8_0"
cache_type_v = "q8_0"
flash_attn = "on"
aliases = ["gpt-4o"]
extra_args = ["--verbosity", "4"]
chat_template = "chatml"
chat_template_kwargs = {{ tools_in_user_message = false }}
[models.chat.sampling]
temp = 0.25
top_k = 7
min_p = 0.125
top_n_sigma = 1.5
{samplers}
[models.chat.variants.cold]
params = {{ temperature = 0 }}
[models."org/other:q8"]
model = "other.gguf"
ctx_size = 1024
n_predict = 16
extra_args = ["--verbosity", "2", "--no-warmup"]
[models.embed]
model = "embed.gguf"
role = "embedding"
ctx_size = 512
[models.rank]
model = "rank.gguf"
role = "rerank"
ctx_size = 512
"""
SAMPLERS = 'samplers = ["top_k", "min_p", "temperature"]'


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "with space"
    folder.mkdir()
    write_llama(folder / "chat.gguf", embedding=128, heads=4)
    write_llama(folder / "other.gguf", seed=1)
    write_llama(folder / "embed.gguf", more={"llama.pooling_type": 1})
    write_llama(folder / "rank.gguf", architecture="qwen3", **RERANKER)
    return folder


@pytest.fixture
def stack(models):
    """A plan of these models for a machine without devices, on free ports."""

    def make(engine="llama_swap", samplers=SAMPLERS, build=11434):
        head = f"""
edition = 1
[llama_cpp]
build = {build}
[hardware]
os = "linux"
backend = "cpu"
memory = "16GiB"
devices = []
host = "box"
[paths]
home = "/home/llm"
models = "{models}"
llama_server = "{readers.find("llama-server")}"
"""
        text = TEXT.format(
            engine=engine,
            port=free_port(following=1),
            more=f"start_port = {free_port(following=1)}" if engine == "llama_swap" else "",
            engine_port=free_port(),
            samplers=samplers,
        )
        return plans.plan(text, head=head, together=[("chat", "org/other:q8")])

    return make


def artifact(target, plan, name):
    return next(
        item.content.decode()
        for item in target.artifacts(plan, make_render())
        if item.path.name == name
    )


def conf_ways(text, tmp_path, command):
    """The two ways in which a .conf is used: sourced by a shell, read by systemd."""
    file = tmp_path / "server.conf"
    file.write_text(text)
    return {
        "shell": (["bash", "-c", f'set -aeu; . "{file}"; exec "$@"', "run", *command], {}),
        "systemd": (list(command), read_environment_file(text)),
    }


@pytest.mark.reader("llama-server", "bash")
@pytest.mark.parametrize("way", ["shell", "systemd"])
def test_conf_starts_an_embedding_server(stack, tmp_path, way):
    plan = stack()
    item = plan.placement("embed")
    text = artifact(llama_server, plan, "embed.conf")
    words, env = conf_ways(text, tmp_path, llama_server.command(item, plan.library))[way]
    url = f"http://127.0.0.1:{item.port}"
    with running(words, env=env, ready=f"{url}/health", log=tmp_path / "log"):
        props = httpx.get(f"{url}/props").json()
        got = httpx.post(f"{url}/v1/embeddings", json={"input": "ab"}).json()
    assert props["total_slots"] == 1
    assert len(got["data"][0]["embedding"]) == 64
    assert "error" not in (tmp_path / "log").read_text().lower()


@pytest.mark.reader("llama-server")
def test_conf_starts_a_reranker(stack, tmp_path):
    plan = stack()
    item = plan.placement("rank")
    env = read_environment_file(artifact(llama_server, plan, "rank.conf"))
    url = f"http://127.0.0.1:{item.port}"
    words = llama_server.command(item, plan.library)
    with running(words, env=env, ready=f"{url}/health", log=tmp_path / "log"):
        got = httpx.post(f"{url}/v1/rerank", json={"query": "a", "documents": ["b", "c"]}).json()
    assert sorted(one["index"] for one in got["results"]) == [0, 1]


@pytest.mark.reader("llama-server")
@pytest.mark.parametrize("way", ["words", "variables"])
def test_server_has_what_llm_toml_says(stack, tmp_path, way):
    """Every option of the chat model arrives, as words of a command and as variables."""
    plan, port = stack(), free_port()
    item = plan.placement("chat")
    words, env = argv(item.model, item.settings, plan.library, port=port), {}
    if way == "variables":
        words = (*llama_server.command(item, plan.library), "--port", str(port))
        env = dict(llama_server.environment(item, plan.library))
        del env["LLAMA_ARG_PORT"]
    url = f"http://127.0.0.1:{port}"
    with running(words, env=env, ready=f"{url}/health", log=tmp_path / "log"):
        props = httpx.get(f"{url}/props").json()
        slots = httpx.get(f"{url}/slots").json()
    sampling = props["default_generation_settings"]["params"]
    assert [slot["n_ctx"] for slot in slots] == [1024, 1024]
    assert props["model_alias"] == "chat"
    assert (sampling["temperature"], sampling["top_k"], sampling["min_p"]) == (0.25, 7, 0.125)
    assert sampling["top_n_sigma"] == 1.5
    assert sampling["samplers"] == ["top_k", "min_p", "temperature"]
    log = (tmp_path / "log").read_text()
    assert "K (q8_0)" in log
    assert "DEPRECATED" not in log


@pytest.mark.reader("llama-server")
def test_router_serves_the_presets(stack, tmp_path):
    plan = stack("router", samplers="")
    file = tmp_path / "models.ini"
    file.write_text(artifact(llama_server, plan, "models.ini"))
    port = plan.library.config.services.router.port
    words = [
        plan.library.layout.llama_server,
        *("--models-preset", file, "--models-max", "2"),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    url = f"http://127.0.0.1:{port}"
    env = {"LLAMA_CACHE": str(tmp_path / "cache")}
    with running(words, env=env, ready=f"{url}/health", log=tmp_path / "log"):
        listed = {item["id"]: item for item in httpx.get(f"{url}/models").json()["data"]}
        said = [
            httpx.post(
                f"{url}/v1/chat/completions",
                json={
                    "model": name,
                    "messages": [{"role": "user", "content": "a"}],
                    "max_tokens": 2,
                },
                timeout=60,
            )
            for name in ("gpt-4o", "org/other:q8")
        ]
    assert set(listed) == {"chat", "org/other-q8"}
    for name, section in (("chat", "chat"), ("org/other:q8", "org/other-q8")):
        item = plan.placement(name)
        told = _options(listed[section]["status"]["args"])
        wanted = _options(item.argv)
        for word in ("--alias", "--host", "--port", "--model"):
            told.pop(word, None)
            wanted.pop(word, None)
        assert {key: told.get(key) for key in wanted} == wanted
    assert [one.status_code for one in said] == [200, 200]


def _options(words):
    """Options with their values, under the spelling that the table has for them."""
    words = [str(word) for word in words]
    starts = [index for index, word in enumerate(words) if spelled(word)]
    return {
        _spelling(words[start]): words[start + 1 : end]
        for start, end in zip(starts, [*starts[1:], len(words)], strict=True)
    }


def _spelling(word):
    option = BY_FLAG.get(word)
    if option is None:
        return {"--log-verbosity": "--verbosity"}.get(word, word)
    return option.negative[0] if word in option.negative else option.flag


@pytest.mark.reader("llama-swap", "llama-server")
def test_llama_swap_serves_the_config(stack, tmp_path):
    plan = stack()
    file = tmp_path / "config.yaml"
    file.write_text(artifact(llama_swap, plan, "config.yaml"))
    port = free_port()
    words = [readers.find("llama-swap"), "-config", file, "-listen", f"127.0.0.1:{port}"]
    url = f"http://127.0.0.1:{port}"
    with running(words, ready=f"{url}/health", log=tmp_path / "log"):
        listed = {item["id"]: item for item in httpx.get(f"{url}/v1/models").json()["data"]}
        said = {
            name: httpx.post(
                f"{url}/v1/chat/completions",
                json={
                    "model": name,
                    "messages": [{"role": "user", "content": "a"}],
                    "max_tokens": 2,
                },
                timeout=90,
            )
            for name in ("gpt-4o", "cold", "org/other:q8")
        }
        # A name of an always-on server is known too, though that server is not running here.
        absent = httpx.post(f"{url}/v1/embeddings", json={"model": "embed", "input": "a"})
        unknown = httpx.post(f"{url}/v1/embeddings", json={"model": "nobody", "input": "a"})
        active = httpx.get(f"{url}/running").json()["running"]
    assert {"chat", "gpt-4o", "cold", "org/other:q8", "embed/embed", "rank/rank"} == set(listed)
    assert (absent.status_code, unknown.status_code) == (502, 404)
    assert listed["chat"]["meta"]["n_ctx"] == 1024
    assert {name: one.status_code for name, one in said.items()} == dict.fromkeys(said, 200)
    assert {item["model"] for item in active} == {"chat", "org/other:q8"}
    commands = yaml.safe_load(file.read_text())["models"]
    assert set(commands) == {"chat", "org/other:q8"}

"""What people start servers with: shell scripts, systemd units, compose files, environment files."""

import json
import tomllib

import pytest
from click.testing import CliRunner

from llmgen.cli.import_ import cli
from llmgen.errors import InputError
from llmgen.importing.containers import run_of
from llmgen.importing.sniff import from_text


def part(text):
    return from_text("file", text)


def model(text, name):
    return part(text).tables["models", name]


def told(text):
    return [item.message for item in part(text).faults]


SCRIPT = r"""#!/usr/bin/env bash
set -euo pipefail
DIR="$HOME/models"
MODEL=${MODEL:-$DIR/a.gguf}
export CUDA_VISIBLE_DEVICES=0 # the first
ARGS=(
  -m "$MODEL"
  -c 32768   # context
  --threads $(nproc)
)
ARGS+=(-ngl 99)
if pgrep llama-server; then exit 1; fi
cd /opt/llama.cpp/build/bin
LLAMA_ARG_N_PARALLEL=2 nohup numactl -N 0 ./llama-server "${ARGS[@]}" --host 0.0.0.0 \
  --port 8081 --chat-template-kwargs '{"a": "<|x|> y"}' "$@" > log.txt 2>&1 &
"""


def test_script_with_variables_arrays_and_redirections():
    keys = model(SCRIPT, "a")
    assert keys == {
        "model": "~/models/a.gguf", "ctx_size": 32768, "n_gpu_layers": "all", "parallel": 2,
        "chat_template_kwargs": {"a": "<|x|> y"}, "keep": "always", "port": 8081,
        "llama_server": "/opt/llama.cpp/build/bin/llama-server",
        "environment": {"CUDA_VISIBLE_DEVICES": "0"},
    }  # fmt: skip
    named = " ".join(told(SCRIPT))
    assert all(word in named for word in ("nohup numactl -N 0", "--host 0.0.0.0", "--threads $(…)"))


def test_two_servers_of_a_script_are_two_models():
    text = "llama-server -m /a.gguf --port 8001 &\nllama-server -m /a.gguf --port 8002\n"
    tables = part(text).tables
    assert [tables["models", name]["port"] for name in ("a", "a-2")] == [8001, 8002]


def test_docker_run_of_llama_server_is_its_container():
    text = (
        "docker run -d --gpus '\"device=1\"' --name llm -p 8080:8000 -v /srv/models:/models:ro "
        "--ipc=host -e LLAMA_ARG_CTX_SIZE=4096 ghcr.io/ggml-org/llama.cpp:server-cuda "
        "-m /models/x/b.gguf --port 8000 --host 0.0.0.0 --alias chat,gpt"
    )
    assert model(text, "chat") == {
        "model": "/srv/models/x/b.gguf", "ctx_size": 4096, "aliases": ["gpt"], "keep": "always",
        "port": 8080, "device": ["gpu1"],
        "container": {
            "image": "ghcr.io/ggml-org/llama.cpp:server-cuda", "runtime": "docker",
            "args": ["--ipc=host"], "port": 8000,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "image", "arguments"),
    [
        ("docker run -it --rm img a b", "img", ("a", "b")),
        ("podman run --device nvidia.com/gpu=0 img --x", "img", ("--x",)),
        ("docker container run -e A=1 --mount type=bind,source=/a,target=/b img", "img", ()),
    ],
)
def test_options_of_run_end_at_the_image(words, image, arguments):
    found = run_of(words.split())
    assert (found.image, found.words) == (image, arguments)


def test_shell_lines_that_double_are_refused():
    text = "A=llama-server\n" + "A=$A$A\n" * 60 + "$A -m x\n"
    with pytest.raises(InputError, match="its variables make a text"):
        part(text)


UNIT = """[Unit]
Description=Qwen for the house
After=network.target
[Service]
Environment="LLAMA_ARG_CTX_SIZE=8192" HF_HOME=/data/hf
EnvironmentFile=-/etc/llama.env
WorkingDirectory=/srv/llm
ExecStart=/usr/bin/env X=1 bin/llama-server -m models/q.gguf \\
  --alias qwen,default --port 9090 -ngl 99
User=llama
SupplementaryGroups=render
Restart=always
CPUWeight=50
[Install]
WantedBy=multi-user.target
"""


def test_unit_of_a_server():
    found = part(UNIT)
    assert found.tables["models", "qwen"] == {
        "ctx_size": 8192, "model": "/srv/llm/models/q.gguf", "aliases": ["default"],
        "n_gpu_layers": "all", "keep": "always", "port": 9090, "description": "Qwen for the house",
        "llama_server": "/srv/llm/bin/llama-server",
        "environment": {"HF_HOME": "/data/hf", "X": "1"},
    }  # fmt: skip
    assert found.tables["services",] == {
        "scope": "system", "user": "llama", "groups": ["render"],
    }  # fmt: skip
    named = " ".join(told(UNIT))
    keys = ("After=", "Restart=", "WantedBy=", "CPUWeight=", "/etc/llama.env")
    assert all(f"`{key}`" in named for key in keys)


def test_unit_that_runs_a_shell():
    text = (
        "[Service]\nEnvironment=M=/m/a.gguf\n"
        "ExecStart=/bin/bash -c 'exec llama-server -m $M -c 4096 --port 7000'\n"
    )
    assert model(text, "a") == {
        "model": "/m/a.gguf", "ctx_size": 4096, "keep": "always", "port": 7000,
        "environment": {"M": "/m/a.gguf"},
    }  # fmt: skip


def test_unit_of_llama_swap_has_its_address():
    text = "[Service]\nExecStart=/usr/bin/llama-swap -config /etc/s.yaml --listen=127.0.0.1:9292 -watch-config\n"
    found = part(text)
    assert found.tables["services", "llama_swap"] == {"port": 9292, "watch_config": True}
    assert "/etc/s.yaml" in found.faults[0].message


COMPOSE = """
name: home
x-gpu: &gpu {deploy: {resources: {reservations: {devices: [{driver: nvidia, device_ids: ["1"], capabilities: [gpu]}]}}}}
services:
  llm:
    <<: *gpu
    image: ghcr.io/ggml-org/llama.cpp:server-cuda
    container_name: llm
    restart: unless-stopped
    ports: ["127.0.0.1:8085:8080"]
    volumes: ["/srv/models:/models", "cache:/root/.cache"]
    environment: {LLAMA_ARG_N_PARALLEL: 2, LLAMA_ARG_MODEL: /models/b.gguf}
    command: -c ${CTX:-8192} --host 0.0.0.0 --port 8080 -ngl 99
    shm_size: 4g
    ulimits: {memlock: -1}
  webui:
    image: ghcr.io/open-webui/open-webui:main
    ports: ["3000:8080"]
volumes: {cache: {}}
"""


def test_compose_service_of_llama_server():
    assert model(COMPOSE, "b") == {
        "parallel": 2, "model": "/srv/models/b.gguf", "ctx_size": 8192, "n_gpu_layers": "all",
        "keep": "always", "port": 8085, "device": ["gpu1"],
        "container": {
            "image": "ghcr.io/ggml-org/llama.cpp:server-cuda", "runtime": "docker",
            "args": ["--shm-size=4g"], "port": 8080,
        },
    }  # fmt: skip
    named = " ".join(told(COMPOSE))
    keys = ("restart", "ulimits", "cache:/root/.cache", "volumes", "x-gpu", "name")
    assert all(f"`{key}`" in named for key in keys)


def test_open_webui_is_an_app_of_the_stack():
    assert part(COMPOSE).tables["apps", "open_webui"] == {"enable": True}
    assert "`ghcr.io/open-webui/open-webui:main`" in " ".join(told(COMPOSE))


WEBUI = """\
docker run -d -p 3001:8080 -e OPENAI_API_BASE_URL=http://host:9292/v1 -e WEBUI_SECRET_KEY=t0p-s3cret \\
  -v /srv/webui:/app/backend/data --restart always ghcr.io/open-webui/open-webui@sha256:DIGEST
""".replace("DIGEST", "1" * 64)


def test_open_webui_of_a_docker_line_keeps_port_and_digest_and_names_the_rest():
    found = part(WEBUI)
    assert found.tables["apps", "open_webui"] == {"enable": True, "port": 3001}
    image = found.tables["containers",]["open_webui_image"]
    assert image == "ghcr.io/open-webui/open-webui@sha256:" + "1" * 64
    named = " ".join(told(WEBUI))
    kept = ("OPENAI_API_BASE_URL", "WEBUI_SECRET_KEY", "/srv/webui")
    assert all(f"`{key}`" in named for key in kept)
    assert "t0p-s3cret" not in named


def test_every_variable_of_an_environment_file_is_a_key_or_named():
    text = (
        "LLAMA_ARG_CTX_SIZE=4096\nLLAMA_ARG_MODEL=/m/n.gguf\nGGML_CUDA_NO_PINNED=1\n"
        "MODEL_PREFIX=local/\nBRIDGE_SYNC_INTERVAL=30\nPOSTGRES_DB=x\nMODEL_TTL=600\n"
    )
    found = part(text)
    assert found.tables["models", "n"] == {"model": "/m/n.gguf", "ctx_size": 4096}
    assert found.tables["naming",] == {"prefix": "local/"}
    assert found.tables["defaults",] == {"ttl": 600, "environment": {"GGML_CUDA_NO_PINNED": "1"}}
    named = " ".join(told(text))
    assert all(f"`{key}`" in named for key in ("BRIDGE_SYNC_INTERVAL", "POSTGRES_DB"))


def test_every_key_of_a_manager_is_a_key_or_named():
    text = (
        '{"server": {"host": "0.0.0.0", "port": 9000, "log_level": "WARNING", "debug": true}, '
        '"model_manager": {"check_interval": 10, "n_batch": 512, "flash_attn": true, "x": 1}}'
    )
    found = part(text)
    assert found.tables["services", "llama_swap"] == {"port": 9000, "log_level": "warn"}
    assert found.tables["defaults",] == {"batch_size": 512, "flash_attn": "on"}
    named = " ".join(told(text))
    keys = ("host: 0.0.0.0", "server.debug", "check_interval", "model_manager.x")
    assert all(f"`{key}`" in named for key in keys)


def test_models_of_two_files_with_one_name_stay_two(tmp_path):
    files = []
    for number in (1, 2):
        file = tmp_path / f"{number}.sh"
        file.write_text(f"llama-server -m /m{number}/a.gguf --port 800{number}\n")
        files.append(str(file))
    result = CliRunner().invoke(cli, [*files, "--profile", "nvidia-24gb", "--json"])
    found = json.loads(result.stdout)
    models = tomllib.loads(found["data"]["content"])["models"]
    assert [(name, table["port"]) for name, table in models.items()] == [("a", 8001), ("a-2", 8002)]
    assert [item["code"] for item in found["diagnostics"]] == ["import.same-name"]


def test_a_gateway_row_that_leads_to_an_imported_model_is_its_name(tmp_path):
    swap, gateway = tmp_path / "swap.yaml", tmp_path / "litellm.yaml"
    swap.write_text('models: {q: {cmd: "llama-server -m /q.gguf --port ${PORT}"}}')
    gateway.write_text(
        "model_list:\n"
        "  - {model_name: gpt-4o, litellm_params: {model: openai/q, api_base: 'http://127.0.0.1:8080/v1'}}\n"
        "  - {model_name: q, litellm_params: {model: openai/q, api_base: 'http://127.0.0.1:8080/v1'}}\n"
    )
    words = [str(swap), str(gateway), "--profile", "nvidia-24gb", "--json"]
    found = json.loads(CliRunner().invoke(cli, words).stdout)
    document = tomllib.loads(found["data"]["content"])
    assert document["models"] == {"q": {"model": "/q.gguf", "aliases": ["gpt-4o"]}}
    assert "external" not in document
    assert document["gateway"]["litellm"]["enable"] is True


def test_a_bare_program_is_the_one_that_a_shell_would_find(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "llama-server"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    text = 'models: {q: {cmd: "llama-server -m /q.gguf --port ${PORT}"}}'
    for words, place in (([], str(program)), (["--profile", "nvidia-24gb"], None)):
        result = CliRunner().invoke(cli, ["-", *words, "--json"], input=text)
        document = tomllib.loads(json.loads(result.stdout)["data"]["content"])
        assert document["paths"].get("llama_server") == place


def test_container_file_of_podman():
    text = (
        "[Unit]\nDescription=Qwen in a box\n[Container]\n"
        "Image=ghcr.io/ggml-org/llama.cpp:server-cuda\nContainerName=qwen\n"
        "AddDevice=nvidia.com/gpu=1\nVolume=/srv/models:/models:ro\nPublishPort=127.0.0.1:8099:8080\n"
        "Environment=LLAMA_ARG_CTX_SIZE=4096\nShmSize=1g\nAutoUpdate=registry\n"
        "Exec=-m /models/q.gguf --port 8080 --host 0.0.0.0\n[Install]\nWantedBy=default.target\n"
    )
    assert model(text, "q") == {
        "model": "/srv/models/q.gguf", "ctx_size": 4096, "keep": "always", "port": 8099,
        "device": ["gpu1"], "description": "Qwen in a box",
        "container": {
            "image": "ghcr.io/ggml-org/llama.cpp:server-cuda", "runtime": "podman",
            "args": ["--shm-size=1g"], "port": 8080,
        },
    }  # fmt: skip
    assert any("`AutoUpdate=`" in line for line in told(text))

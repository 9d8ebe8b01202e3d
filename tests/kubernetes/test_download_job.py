"""The download Job: `llmgen pull` reads what it mounts, and pods wait for what it brings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gguf_writer import llama, write_gguf, write_split
from made import objects, one, pod_specs, stack
from pods_by_podman import command
from safetensors_writer import write_checkpoint

sys.path.append(str(Path(__file__).parent.parent / "facts"))
from fake_hub import FakeFile, FakeRepo, serve

from llmgen.facts.hub import Hub
from llmgen.facts.lock import Lock
from llmgen.facts.lock_models import lock_models
from llmgen.facts.sources import Sources

JOB = 'kubernetes.llmgen_image = "registry.example/llmgen:1"\n'
TEXT = (
    JOB
    + """
[models.split]
hf_repo = "org/split"
quant = "Q8_0"
keep = "always"
ctx_size = 1024
draft = { hf_repo = "org/small", hf_file = "d.gguf" }
[models.own]
model = "own.gguf"
ctx_size = 1024
[models.checked]
engine = "vllm"
hf_repo = "org/checkpoint"
keep = "always"
memory.host = "1GiB"
container.image = "docker.io/vllm/vllm-openai:v0.11.0"
"""
)
REFS = ("hf:org/split:Q8_0", "hf:org/small:d.gguf", "repo:org/checkpoint")


@pytest.fixture
def hub(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    metadata, tensors = llama(vocabulary_size=500)
    parts = write_split(folder, "m-Q8_0", metadata, [tensors[:5], tensors[5:]])
    write_gguf(folder / "d.gguf", *llama(vocabulary_size=500), data="random")
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    weights = {"model.embed_tokens.weight": ("BF16", (100, 64))}
    write_checkpoint(checkpoint, weights, {"model_type": "qwen3", "num_hidden_layers": 1})

    def repo(paths):
        return FakeRepo({path.name: FakeFile(path.read_bytes()) for path in paths})

    with serve() as running:
        running.repos["org/split"] = repo(parts)
        running.repos["org/small"] = repo([folder / "d.gguf"])
        running.repos["org/checkpoint"] = repo(checkpoint.iterdir())
        yield running


@pytest.fixture
def made(hub, tmp_path):
    lock = lock_models(REFS, Sources(tmp_path, tmp_path, hub=Hub(hub.url)), Lock()).lock
    return objects(stack(TEXT, lock=lock))


def job(found):
    return next(item for item in found if item["kind"] == "Job")


def pulled(found, hub, folder):
    """`llmgen pull` as the Job runs it, with its volumes as folders."""
    (maps,) = (source["configMap"] for source in _volume(found, "files")["projected"]["sources"])
    data = one(found, "ConfigMap", maps["name"])["data"]
    for item in maps["items"]:
        (folder / item["path"]).write_text(data[item["key"]], "utf-8")
    pod = job(found)["spec"]["template"]["spec"]
    words = pod["containers"][0]["args"]
    words = [word.replace("/etc/llmgen", str(folder)) for word in words]
    return subprocess.run(
        [sys.executable, "-m", "llmgen", *words, "--models", folder / "models"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "HF_ENDPOINT": hub.url,
            "NO_PROXY": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def _volume(found, name):
    volumes = job(found)["spec"]["template"]["spec"]["volumes"]
    return next(item for item in volumes if item["name"] == name)


def waits(spec, folder):
    """Whether a pod's init container still waits for the files below ``folder``."""
    (init,) = (item for item in spec["initContainers"] if item["name"] == "models-there")
    words = [
        str(folder / "models") + word.removeprefix("/models")
        if word.startswith("/models")
        else word
        for word in command(init)
    ]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=1, check=False)
    except subprocess.TimeoutExpired:
        return True
    assert (done.returncode, done.stderr) == (0, "")
    return False


def test_pods_wait_until_pull_has_brought_every_file(made, hub, tmp_path):
    specs = pod_specs(made)
    servers = ("model-split", "model-checked", "swap-nodes")
    assert all(waits(specs[name], tmp_path) for name in servers)
    done = pulled(made, hub, tmp_path)
    assert done.returncode == 0, done.stderr
    # What no one downloads is still to come.
    assert [waits(specs[name], tmp_path) for name in servers] == [False, False, True]
    assert pulled(made, hub, tmp_path).returncode == 0


def test_file_of_another_size_is_waited_for(made, hub, tmp_path):
    assert pulled(made, hub, tmp_path).returncode == 0
    draft = tmp_path / "models" / "org" / "small" / "d.gguf"
    draft.write_bytes(draft.read_bytes()[:-1])
    assert waits(pod_specs(made)["model-split"], tmp_path)
    assert pulled(made, hub, tmp_path).returncode != 0


def test_checkpoint_of_the_hub_is_served_from_the_claim(made):
    (container,) = pod_specs(made)["model-checked"]["containers"]
    assert "/models/org/checkpoint" in container["args"]
    assert "--revision" not in container["args"]


def test_another_set_of_files_is_another_job(hub, tmp_path):
    lock = lock_models(REFS, Sources(tmp_path, tmp_path, hub=Hub(hub.url)), Lock()).lock
    made = [
        job(objects(stack(text, lock=lock)))["metadata"]["name"]
        for text in (
            TEXT,
            TEXT.replace("ctx_size = 1024\ndraft", "ctx_size = 2048\ndraft"),
            TEXT.replace('draft = { hf_repo = "org/small", hf_file = "d.gguf" }', ""),
        )
    ]
    assert made[0] == made[1] != made[2]


def test_nothing_is_downloaded_without_an_image():
    found = objects(stack(TEXT.removeprefix(JOB)))
    assert not [item for item in found if item["kind"] == "Job"]

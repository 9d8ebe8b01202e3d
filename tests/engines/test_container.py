"""A command in a container: devices by vendor, folders, ports, and what stops it."""

from pathlib import PurePosixPath

import pytest
from making import HEAD
from plan_of import planned

from llmgen.engines.container import ContainerTable, Outside, container_name, translated, wrapped
from llmgen.errors import ConfigError

MODELS = PurePosixPath("/srv/models")


def outside(**more):
    values = {
        "backend": "cuda",
        "devices": (0,),
        "models": MODELS,
        "files": (),
        "port": "9001",
        "environment": (),
        "stop_seconds": 30,
    }
    return Outside(**values | more)


def argv(words=("serve",), container=None, **more):
    found = wrapped(
        container or ContainerTable(image="x/y"), "llmgen-m", "/bin/serve", words, outside(**more)
    )
    return found.argv


def options(words, name):
    return [words[at + 1] for at, word in enumerate(words) if word == name]


@pytest.mark.parametrize(
    ("backend", "runtime", "wanted"),
    [
        ("cuda", "podman", ["--device", "nvidia.com/gpu=0", "--device", "nvidia.com/gpu=2"]),
        ("cuda", "docker", ["--gpus", '"device=0,2"']),
        ("rocm", "podman", ["--device", "/dev/kfd", "--device", "/dev/dri", "--group-add", "keep-groups"]),
        ("rocm", "docker", ["--device", "/dev/kfd", "--device", "/dev/dri", "--group-add", "video"]),
        ("vulkan", "podman", ["--device", "/dev/dri", "--group-add", "keep-groups"]),
        ("cpu", "docker", []),
    ],
)  # fmt: skip
def test_devices_are_those_of_the_vendor(backend, runtime, wanted):
    found = argv(
        container=ContainerTable(image="x/y", runtime=runtime), backend=backend, devices=(0, 2)
    )
    text = " ".join(found)
    assert " ".join(wanted) in text
    assert text.startswith(f"{runtime} run --rm --init --name llmgen-m ")


def test_a_model_without_a_device_is_given_none():
    assert not {"--device", "--gpus"} & {*argv(devices=())}


def test_paths_within_are_translated_and_folders_are_read_only():
    words = ("--model", "/srv/models/a/b.gguf", "--lora=/srv/models/l.gguf:0.5", "/other/x.jinja")
    found = argv(words, files=("/srv/models/a/b.gguf", "/other/x.jinja"))
    assert options(found, "--volume") == ["/srv/models:/models:ro", "/other:/mnt/0:ro"]
    assert found[-4:] == (
        "--model", "/models/a/b.gguf", "--lora=/models/l.gguf:0.5", "/mnt/0/x.jinja",
    )  # fmt: skip


@pytest.mark.parametrize("word", ["/srv/models2/a", "x/srv/models/a", "/a/srv/models"])
def test_what_only_looks_like_the_folder_stays(word):
    assert translated(word, {"/srv/models": "/models"}) == word


def test_the_port_is_published_on_loopback_alone():
    assert options(argv(), "--publish") == ["127.0.0.1:9001:9001"]
    inner = ContainerTable(image="x/y", port=80)
    assert options(argv(container=inner), "--publish") == ["127.0.0.1:9001:80"]


def test_variables_are_handed_on_by_name():
    found = argv(environment=("HF_TOKEN",))
    assert options(found, "--env") == ["HF_TOKEN"]


def test_names_are_what_runtimes_take():
    assert container_name("org/model:8b") == "llmgen-org-model-8b"


BOX = """
[models.box]
model = "a.gguf"
keep = "always"
container = { image = "ghcr.io/ggml-org/llama.cpp:server-cuda", runtime = "docker" }
"""


def test_a_llama_server_in_a_container_keeps_its_plan():
    box, plain = (
        planned(HEAD + text).placement("box")
        for text in (BOX, BOX.replace("container =", "environment.X = ''\n#"))
    )
    assert box.footprint == plain.footprint
    assert box.stop == ("docker", "stop", "-t", "30", "llmgen-box")
    # The same options behind the image as without one, but for where it listens.
    at = box.argv.index("ghcr.io/ggml-org/llama.cpp:server-cuda")
    inside = [word.replace("/models/", "/home/llm/models/") for word in box.argv[at + 1 :]]
    assert {*inside} - {*plain.argv} == {"0.0.0.0"}


def test_two_models_whose_containers_would_share_a_name_are_refused():
    text = "".join(BOX.replace("models.box", f'models."box{mark}1"') for mark in "/:")
    with pytest.raises(ConfigError) as refused:
        planned(HEAD + text)
    assert refused.value.diagnostics[0].code == "models.container-name"

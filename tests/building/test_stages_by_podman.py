"""Every stage of the generated Containerfile, really built by podman with a stand-in for CMake.

What is compiled is a stand-in here (test_cpu_image compiles the real one, once): this shows that
each command of each backend's file runs, and what an image is like in the end.
"""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import readers
import stand_ins
from readers import images
from readers.podman import Podman, why_not

sys.path.append(str(Path(__file__).parent.parent / "targets"))
import plans

from llmgen.building.recipe import PROGRAMS
from llmgen.render.environment import make_render
from llmgen.targets import containerfile

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.reader("podman"),
    pytest.mark.skipif(bool(why_not()), reason=f"podman: {why_not()}"),
]
# What a base has to have, so that nothing is installed: here it does nothing, or what cmake would.
TOOLS = ("cmake", "ccache", "ninja", "g++", "g++-14", "hipconfig", "nproc", "tar")
BASE = "localhost/stand-in-base"


def base(folder):
    """An image of busybox and curl with stand-ins for what compiles."""
    for name in TOOLS:
        (folder / name).write_text("#!/bin/sh\necho 2\n")
    (folder / "cmake").write_text(
        stand_ins.CMAKE.replace("$STAND_IN_LOG", "/cmake.log").replace("$STAND_IN_BUILD", "11434")
    )
    # busybox's tar has no long options: only what the file uses is translated.
    (folder / "tar").write_text(
        '#!/bin/sh\nfor word; do case "$word" in --extract) set -- "$@" -x;; --file) set -- "$@" -f;;'
        ' --directory) set -- "$@" -C;; *) set -- "$@" "$word";; esac; shift; done\nexec busybox tar "$@"\n'
    )
    for name in TOOLS:
        (folder / name).chmod(0o755)
    (folder / "Containerfile").write_text(
        f"FROM {images.NAME}\nUSER 0:0\nCOPY {' '.join(TOOLS)} /usr/local/bin/\n"
        "RUN rm -rf /app && touch /usr/lib/x86_64-linux-gnu/libgomp.so.1"
        " /usr/lib/x86_64-linux-gnu/libvulkan.so.1\n"
    )
    return folder


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    made = Podman(tmp_path_factory.mktemp("podman"), [images.store()])
    try:
        made.must("podman", "build", "--tag", BASE, base(tmp_path_factory.mktemp("base")))
        yield made
    finally:
        made.end()


def context(folder, backend, more=""):
    head = plans.HEAD.replace('backend = "vulkan"', f'backend = "{backend}"')
    if backend == "cpu":
        head = head.replace('devices = [{ memory = "24GiB" }]', "devices = []")
    for item in containerfile.artifacts(plans.plan(plans.STACK + more, head=head), make_render()):
        path = folder.joinpath(*item.path.parts[1:])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item.content)
    # busybox unpacks no compressed archive without a gunzip beside it.
    root = stand_ins.source(folder.parent / "tree")
    with tarfile.open(folder / "sources" / containerfile.LLAMA_ARCHIVE, "w") as out:
        out.add(root, root.name)
    with tarfile.open(folder / "sources" / containerfile.SWAP_ARCHIVE, "w") as out:
        swap = folder.parent / "llama-swap"
        swap.write_text("#!/bin/sh\necho stand-in\n")
        swap.chmod(0o755)
        out.add(swap, "llama-swap")
    return folder


def build(podman, folder, stage, tag, environ=None):
    words = ("--build-arg", f"BUILD_IMAGE={BASE}", "--build-arg", f"RUNTIME_IMAGE={BASE}")
    more = ("--build-arg", f"ENVOY_IMAGE={BASE}", "--network", "none", "--format", "docker")
    return podman.run(
        "podman", "build", *more, *words, "--target", stage, "--tag", tag, folder, environ=environ
    )


@pytest.mark.parametrize("backend", ["cpu", "cuda", "rocm", "vulkan"])
def test_each_backend_s_server_is_built_and_is_what_it_says(podman, tmp_path, backend):
    tag = f"localhost/server:{backend}"
    done = build(podman, context(tmp_path / "context", backend), "server", tag)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(podman.must("podman", "image", "inspect", tag))
    assert found["Config"]["User"] == "10001:10001"
    assert found["Config"]["Entrypoint"] == ["/app/llama-server"]
    assert found["Config"]["Labels"]["io.llmgen.stack"] == "llmgen"
    assert found["Config"]["Labels"]["org.opencontainers.image.version"] == "b11434"
    assert "/health" in " ".join(found["Healthcheck"]["Test"])
    listed = podman.must(
        "podman", "run", "--rm", "--network", "none", "--entrypoint", "/bin/ls", tag, "-1", "/app"
    ).split()
    assert {*PROGRAMS, "libggml.so", "libggml.so.0"} == {*listed}
    said = podman.must("podman", "run", "--rm", "--network", "none", tag, "--version")
    assert "version: 11434" in said


def test_llama_swap_is_added_and_runs_first(podman, tmp_path):
    tag = "localhost/swap:test"
    done = build(podman, context(tmp_path / "context", "cpu"), "swap", tag)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(podman.must("podman", "image", "inspect", tag))
    assert found["Config"]["Entrypoint"] == ["/app/llama-swap"]
    assert found["Config"]["User"] == "10001:10001"


KEYS = {"HF_TOKEN": "hf-planted-1618033", "SERVER_KEY": "sk-planted-2236067"}
SECRETS = """
[apps.open_webui]
enable = true
secret_key = { env = "HF_TOKEN" }
api_key = { env = "SERVER_KEY" }
"""


def test_no_key_of_whoever_builds_is_in_a_layer_of_the_image(podman, tmp_path):
    """Keys stand in llm.toml as names, and in the environment of the build as they are."""
    folder, tag = context(tmp_path / "context", "cpu", SECRETS), "localhost/keyless:test"
    done = build(podman, folder, "swap", tag, environ=KEYS)
    assert done.returncode == 0, done.stdout + done.stderr
    podman.must("podman", "image", "save", "--output", tmp_path / "image.tar", tag)
    with tarfile.open(tmp_path / "image.tar") as image:
        layers = [name for name in image.getnames() if name.endswith(".tar")]
    (found,) = json.loads(podman.must("podman", "image", "inspect", tag))
    assert len(layers) >= len(found["RootFS"]["Layers"]) > 1
    # Layers are tars as they are, in which files stand byte for byte: what is in one is found.
    assert holds(tmp_path / "image.tar", "version: 11434 (stand-in)")
    assert not any(holds(tmp_path / "image.tar", key) for key in KEYS.values())


def holds(file, text):
    return not subprocess.run(["grep", "--quiet", "--text", "--fixed-strings", text, file], check=False).returncode  # fmt: skip


def test_a_source_with_another_digest_ends_the_build(podman, tmp_path):
    folder = context(tmp_path / "context", "cpu")
    file = folder / "Containerfile"
    text = file.read_text().replace("ARG LLAMA_CPP_SHA256=\n", f"ARG LLAMA_CPP_SHA256={'0' * 64}\n")
    file.write_text(text)
    done = build(podman, folder, "server", "localhost/other:test")
    assert done.returncode
    assert "another archive than the SHA-256 of llm.toml" in done.stdout + done.stderr


@pytest.mark.skipif(readers.find("envoy") is None, reason="Envoy is not here")
def test_envoy_is_added_where_it_is_wanted(podman, tmp_path):
    tag = "localhost/all:test"
    done = build(podman, context(tmp_path / "context", "cpu"), "all", tag)
    assert done.returncode == 0, done.stdout + done.stderr
    words = ("podman", "run", "--rm", "--network", "none", "--entrypoint", "/bin/ls", tag, "/app")
    assert {"envoy", "llama-swap", "llama-server"} <= {*podman.must(*words).split()}

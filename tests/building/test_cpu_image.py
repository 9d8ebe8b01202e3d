"""The CPU image, built for real by podman from the generated Containerfile."""

import contextlib
import json
import random
import subprocess
import sys
from pathlib import Path

import dockerfile
import pytest
import readers
import real_images
from readers.podman import Podman, why_not

sys.path.append(str(Path(__file__).parent.parent / "targets"))
import plans

from llmgen.building.recipe import PROGRAMS
from llmgen.render.environment import make_render
from llmgen.render.quoting import containerfile as quoted
from llmgen.targets import containerfile

HEAD = plans.HEAD.replace('backend = "vulkan"', 'backend = "cpu"').replace(
    'devices = [{ memory = "24GiB" }]', "devices = []"
)
# One variant of the CPU's code instead of a dozen: 150 files to compile, not 500.
RECIPE = '[llama_cpp.recipe]\noptions = { GGML_CPU_ALL_VARIANTS = "OFF" }\n'
LONG = "it compiles llama.cpp: LLMGEN_READERS=required does so once, and keeps the image"

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.reader("podman", "debootstrap"),
    pytest.mark.skipif(bool(why_not()), reason=f"podman: {why_not()}"),
]


def context(folder, more=""):
    """A build's folder as `llmgen build` makes it."""
    plan = plans.plan('[models.a]\nmodel = "a.gguf"\n' + RECIPE + more, head=HEAD)
    for item in containerfile.artifacts(plan, make_render()):
        path = folder.joinpath(*item.path.parts[1:])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item.content)
    return folder


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """podman, and the name of the image; built when it is not there and readers are required."""
    folder = context(tmp_path_factory.mktemp("context"))
    text = (folder / "Containerfile").read_bytes()
    tag = f"localhost/llmgen-llama-cpp:test-{real_images.hashlib.sha256(text).hexdigest()[:12]}"
    there = (real_images.home() / "podman").exists()
    with contextlib.ExitStack() as end:
        if not readers.required():
            podman = Podman(real_images.home() / "podman") if there else None
            known = podman is not None and not podman.run("podman", "image", "exists", tag).returncode  # fmt: skip
            if podman is not None:
                podman.end()
            if not known:
                pytest.skip(LONG)
        (folder / "sources" / containerfile.LLAMA_ARCHIVE).hardlink_to(real_images.source())
        podman = real_images.built(folder, "server", tag)
        end.callback(podman.end)
        yield podman, tag


def test_every_program_is_there_and_tells_its_version(image):
    podman, tag = image
    # llama-tokenize, llama-gguf-split and others have no --version: their help is their own words.
    script = "".join(
        f"/app/{name} --version >/tmp/out 2>&1 || /app/{name} --help >/tmp/out 2>&1; "
        f'echo "{name} $? $(wc -c < /tmp/out)"\n'
        for name in PROGRAMS
    )
    words = ("run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp")
    said = podman.must("podman", *words, "--entrypoint", "/bin/sh", tag, "-c", script)
    found = [line.split() for line in said.splitlines()]
    assert [name for name, _, _ in found] == [*PROGRAMS]
    assert all(int(size) > 20 for _, _, size in found), said


def test_the_server_is_of_the_build_that_was_asked_for(image):
    podman, tag = image
    done = podman.run("podman", "run", "--rm", "--network", "none", tag, "--version")
    assert "build 11434" in done.stdout + done.stderr


def test_nobody_s_user_labels_and_health_check(image):
    podman, tag = image
    (found,) = json.loads(podman.must("podman", "image", "inspect", tag))
    assert found["Config"]["User"] == "10001:10001"
    assert found["Config"]["Entrypoint"] == ["/app/llama-server"]
    assert found["Config"]["Labels"]["io.llmgen.stack"] == "llmgen"
    assert "/health" in " ".join(found["Healthcheck"]["Test"])


def test_no_compiler_and_no_source_is_left_in_it(image):
    podman, tag = image
    script = "ls -d /src /build /sources /ccache; command -v cmake ninja g++-14 ccache; true"
    words = ("run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", tag, "-c", script)
    assert podman.must("podman", *words) == ""


def test_podman_reads_hostile_values_as_they_are(tmp_path):
    pieces = (
        "\\",
        '"',
        "'",
        "$",
        "$(id)",
        "`id`",
        "${PATH}",
        "#",
        "<<EOF",
        " ",
        ";",
        "é",
        "%",
        "\\n",
    )
    draw = random.Random(1)
    values = ["".join(draw.choices(pieces, k=draw.randint(1, 6))) for _ in range(300)]
    lines = (f"LABEL v{at}={quoted(text)}" for at, text in enumerate(values))
    (tmp_path / "Containerfile").write_text("FROM scratch\n" + "\n".join(lines) + "\n")
    podman = Podman(tmp_path / "podman")
    try:
        podman.must("podman", "build", "--layers=false", "--tag", "localhost/hostile", tmp_path)
        (found,) = json.loads(podman.must("podman", "image", "inspect", "localhost/hostile"))
    finally:
        podman.end()
    labels = found["Config"]["Labels"]
    assert [labels[f"v{at}"] for at in range(300)] == values


def test_another_source_than_the_digest_s_is_refused(tmp_path):
    """The check in the Containerfile itself, run by a shell."""
    folder = context(tmp_path / "context", 'digest = "' + "0" * 64 + '"\n')
    (checking,) = (
        item.value[0]
        for item in dockerfile.parse_file(str(folder / "Containerfile"))
        if item.cmd == "RUN" and "$LLAMA_CPP_SHA256" in item.value[0]
    )
    sources = tmp_path / "llama.cpp.tar.gz"
    sources.write_bytes(b"another")
    checking = checking.replace("/sources/llama.cpp.tar.gz", str(sources))
    done = subprocess.run(
        ["/bin/sh", "-c", checking],
        env={"PATH": "/usr/bin:/bin", "LLAMA_CPP_SHA256": "0" * 64, "LLAMA_CPP_URL": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert "another archive than the SHA-256 of llm.toml" in done.stderr

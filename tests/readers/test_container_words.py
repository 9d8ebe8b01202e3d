"""The real docker and podman take the words that llmgen writes for them; nothing is started."""

import os
import subprocess
from pathlib import PurePosixPath

import pytest

import readers
from llmgen.engines.container import ContainerTable, Outside, wrapped

BACKENDS = ("cuda", "rocm", "vulkan", "cpu")


def said(words, tmp_path):
    """What the runtime says of these words, with no daemon and no storage to go on with."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""),
        "DOCKER_HOST": f"unix://{tmp_path}/nobody",
        "CONTAINER_HOST": f"unix://{tmp_path}/nobody",
    }
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stderr


def command(runtime, backend):
    container = ContainerTable(
        image="registry.example:5000/org/server:1.0", runtime=runtime, args=("--shm-size", "1g")
    )
    outside = Outside(
        backend=backend,
        devices=(0, 1),
        models=PurePosixPath("/srv/models"),
        files=("/srv/models/m.gguf",),
        port="9001",
        environment=("HF_TOKEN",),
        stop_seconds=30,
    )
    return wrapped(
        container, "llmgen-m", "/bin/serve", ("--model", "/srv/models/m.gguf"), outside,
        engine_args=("--ipc=host",),
    )  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "runtime",
    [
        pytest.param("docker", marks=pytest.mark.reader("docker")),
        pytest.param("podman", marks=pytest.mark.reader("podman")),
    ],
)
def test_the_runtime_knows_every_option(runtime, backend, tmp_path):
    program = str(readers.find(runtime))
    made = command(runtime, backend)
    wrong = said([program, "run", "--no-such-option", "image"], tmp_path)
    assert "unknown flag" in wrong
    for words in (made.argv, made.stop):
        answer = said([program, *words[1:]], tmp_path)
        # With words that it knows it gets as far as its daemon, or its storage.
        assert answer
        refused = ("unknown flag", "unknown shorthand", "invalid value", "invalid reference")
        assert not any(text in answer for text in refused), answer

"""The judges of containers judge: podman runs and limits, compose and the quadlet generator refuse."""

import subprocess
import time

import pytest

import readers
from readers import images
from readers.podman import Podman, why_not
from readers.ports import free_ports

COMPOSE = "services:\n  coder:\n    image: x\n    profils: [a]\n"
QUADLET = "[Container]\nImage=x\nHealthCommand=true\n"


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    if reason := why_not():
        pytest.skip(f"podman cannot run here: {reason}")
    made = Podman(tmp_path_factory.mktemp("podman"), [images.store()])
    yield made
    made.end()


@pytest.mark.thorough
@pytest.mark.reader("podman")
def test_a_limited_container_publishes_a_port_of_its_own_network(podman):
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}/none"
    limits = ("--memory=64m", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges")
    words = ("httpd", "-f", "-p", "8080", "-h", "/app")
    podman.must(
        "podman", "run", "-d", "--name=web", *limits, "-p", f"127.0.0.1:{port}:8080", images.NAME, *words
    )  # fmt: skip
    end = time.monotonic() + 30
    while podman.run("curl", "-s", address).returncode:
        assert time.monotonic() < end
        time.sleep(0.1)
    # Outside of its namespaces nobody listens there.
    outside = ["curl", "-s", "--max-time", "5", address]
    assert subprocess.run(outside, capture_output=True, check=False).returncode == 7
    group = podman.must("podman", "inspect", "--format={{.State.CgroupPath}}", "web").strip()
    files = [
        f"/sys/fs/cgroup/memory{group}/memory.limit_in_bytes",
        f"/sys/fs/cgroup{group}/memory.max",
    ]
    assert podman.run("cat", *files).stdout.split() == [str(64 << 20)]
    podman.must("podman", "rm", "-f", "-t0", "web")


@pytest.mark.reader("podman")
@pytest.mark.reader("docker-compose")
def test_compose_reads_strictly_and_finds_podmans_socket(podman, tmp_path):
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE)
    program = readers.find("docker-compose")
    refused = podman.run(program, "-f", file, "config", "-q")
    assert refused.returncode != 0
    assert "profils" in refused.stderr
    file.write_text(COMPOSE.replace("profils", "profiles"))
    with podman.socket() as address:
        environ = {"DOCKER_HOST": address}
        assert podman.must(program, "-f", file, "ps", "-q", environ=environ) == ""


@pytest.mark.reader("quadlet")
def test_the_quadlet_generator_refuses_a_key_that_it_does_not_know(tmp_path):
    unit = tmp_path / "x.container"
    unit.write_text(QUADLET)
    words = [readers.find("quadlet"), "-dryrun", "-no-kmsg-log"]
    environ = {"QUADLET_UNIT_DIRS": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "HealthCommand" in done.stderr


@pytest.mark.reader("hadolint")
def test_hadolint_names_its_rule(tmp_path):
    file = tmp_path / "Containerfile"
    file.write_text("FROM debian\n")
    done = subprocess.run(
        [readers.find("hadolint"), file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "DL3006" in done.stdout

import pytest
import readers

from containers.contained import FOLDER, Contained, bring_programs
from containers.podman_machine import PodmanMachine, why_not

NEEDED = ("podman", "docker-compose", "llama-server", "llama-swap", "envoy")


@pytest.fixture(scope="package")
def machine():
    """One booted systemd with podman for the tests of this folder; its health checks cost, so no longer."""
    if reason := why_not():
        pytest.skip(f"no systemd with podman can be booted here: {reason}")
    missing = [name for name in NEEDED if readers.find(name) is None]
    if missing:
        pytest.skip(f"reader `{missing[0]}` is missing")
    made = PodmanMachine()
    yield made
    made.end()


@pytest.fixture(scope="package", params=["compose", "quadlet"])
def stack(request, machine):
    """A stack in containers, installed, by either runtime, for the tests of all modules."""
    made = Contained(machine, request.param)
    made.must("install")
    made.answers("gpt-always")
    yield made
    made.must("uninstall")


@pytest.fixture
def switched(machine):
    """A stack that begins as programs of the machine; that of the other tests is gone."""
    bring_programs(machine)
    made = Contained(machine, "native")
    made.must("uninstall")
    # The booted machine hands no credentials to units: it may not mount their folders.
    made.edit(f'api_key = {{ file = "{FOLDER}/servers.key" }}\n', "")
    made.must("install")
    made.answers("gpt-always")
    yield made
    made.must("uninstall")

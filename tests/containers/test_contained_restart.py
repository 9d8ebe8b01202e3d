"""What makes containers anew: `restart` of one service."""

import pytest

NAMES = ["llmgen-envoy", "llmgen-model-always", "llmgen-swap"]

pytestmark = [pytest.mark.reader(name) for name in ("podman", "docker-compose", "llama-swap")]


def identities(stack):
    """Each container's own number: a new one says that it was made anew."""
    return {name: stack.machine.podman("inspect", "--format={{.Id}}", name) for name in NAMES}


def pids(stack):
    return {name: stack.pid(name) for name in NAMES}


def test_restart_of_one_service_leaves_the_others_alone(stack):
    before, processes = identities(stack), pids(stack)
    stack.must("restart", "always")
    assert stack.answers("gpt-always") == "always"
    after = identities(stack)
    assert {name for name in NAMES if after[name] != before[name]} == {"llmgen-model-always"}
    assert pids(stack)["llmgen-model-always"] != processes["llmgen-model-always"]
    assert stack.machine.containers() == NAMES

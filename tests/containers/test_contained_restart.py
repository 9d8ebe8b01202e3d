"""What makes containers anew: `restart` of one service, of all, and an earlier generation."""

import contextlib
from collections import Counter

import pytest

NAMES = ["llmgen-envoy", "llmgen-model-always", "llmgen-swap"]
SAMPLE = "while :; do pgrep -xc llama-server; sleep 0.05; done > /tmp/anew 2>&1"

pytestmark = [pytest.mark.reader(name) for name in ("podman", "docker-compose", "llama-swap")]


def identities(stack):
    """Each container's own number: a new one says that it was made anew."""
    return {name: stack.machine.podman("inspect", "--format={{.Id}}", name) for name in NAMES}


def pids(stack):
    return {name: stack.pid(name) for name in NAMES}


@contextlib.contextmanager
def counted(stack):
    """How many servers the whole machine had at once, counted all the time."""
    counts = Counter()
    # The always-on server alone: what llama-swap loaded before is no part of it.
    stack.must("unload", "--all")
    stack.machine.must("systemd-run", "--unit=anew", "--collect", "sh", "-c", SAMPLE)
    try:
        yield counts
    finally:
        stack.machine.must("systemctl", "stop", "anew")
    counts.update(map(int, stack.machine.must("cat", "/tmp/anew").split()))


def test_restart_of_one_service_leaves_the_others_alone(stack):
    before, processes = identities(stack), pids(stack)
    stack.must("restart", "always")
    assert stack.answers("gpt-always") == "always"
    after = identities(stack)
    assert {name for name in NAMES if after[name] != before[name]} == {"llmgen-model-always"}
    assert pids(stack)["llmgen-model-always"] != processes["llmgen-model-always"]
    assert stack.machine.containers() == NAMES


def test_restart_of_all_makes_every_container_anew_and_never_has_two_servers(stack):
    before = identities(stack)
    with counted(stack) as counts:
        stack.must("restart")
        assert stack.answers("gpt-always") == "always"
    after = identities(stack)
    assert all(after[name] != before[name] for name in NAMES)
    assert {*counts} == {0, 1}
    assert stack.machine.containers() == NAMES
    assert stack.answers("gpt-one") == "one"


def context(stack):
    (row,) = (row for row in stack.must("status")["models"] if row["name"] == "always")
    return row["context"]


def test_rollback_brings_the_generation_before_back_and_it_answers(stack):
    old, new = 'aliases = ["gpt-always"]', 'aliases = ["gpt-later"]\nctx_size = 1024'
    stack.edit(old, new)
    try:
        stack.must("install", "--wait")
        assert stack.answers("gpt-later") == "always"
        assert (stack.chat("gpt-always")[0], context(stack)) == (404, 1024)
        with counted(stack) as counts:
            done = stack.must("rollback")
            assert stack.answers("gpt-always") == "always"
        assert done["switch"] is None
        assert stack.chat("gpt-later")[0] == 404
    finally:
        stack.edit(new, old)
    # As llm.toml is again, so that nothing is left to say.
    assert context(stack) == 512
    assert stack.must("install", "--dry-run")["steps"] == []
    assert {*counts} == {0, 1}

"""From one runtime to another, forward by `install` and back by `rollback`."""

import pytest

pytestmark = [pytest.mark.reader(name) for name in ("podman", "docker-compose", "llama-swap")]

SAMPLE = "while :; do pgrep -xc llama-server; sleep 0.05; done > /tmp/servers 2>&1"


def planned(stack):
    """What an install or a rollback would do, in order: commands, and files in their midst."""
    steps = stack.must("install", "--dry-run")["steps"]
    lines = {when: [" ".join(item["command"]) for item in steps if item["when"] == when] for when in ("before", "after")}  # fmt: skip
    return lines["before"], lines["after"]


STOPS = {"native": "systemctl disable --now", "compose": " down", "quadlet": "systemctl stop"}
STARTS = {"native": "systemctl start", "compose": " up ", "quadlet": "systemctl start"}


def test_another_runtime_takes_over_with_one_install_and_never_two_servers(switched):
    """By rollback, too, which is an install of the tree before."""
    machine = switched.machine
    machine.must("systemd-run", "--unit=sampler", "sh", "-c", SAMPLE)
    old, plans = "native", []
    for way, new in (("install", "compose"), ("install", "quadlet"), ("rollback", "compose"), ("install", "native")):  # fmt: skip
        if way == "install":
            switched.move(new)
            before, after = planned(switched)
            # The plan of it says so: what runs ends before a file changes, the new one starts last.
            assert any(STOPS[old] in line and "llmgen" in line for line in before)
            assert not any(STARTS[new] in line for line in before)
            assert any(STARTS[new] in line for line in after)
        assert switched.must(way)["switch"] == {"old": old, "new": new}
        assert switched.answers("gpt-always") == "always"
        assert bool(machine.containers()) == (new != "native")
        plans.append(switched.proof())
        old = new
    machine.must("systemctl", "stop", "sampler")
    counts = [int(text) for text in machine.must("cat", "/tmp/servers").split()]
    # The always-on server alone; nobody asked for another model.
    assert {*counts} == {0, 1}
    # Its states are the same in each, and hold every model once.
    assert all(plan["states"] == plans[0]["states"] for plan in plans)

"""A stack that really runs in containers: compose over podman's socket, quadlets under systemd."""

import re

import pytest
from booted import until
from readers import images

from containers.contained import FOLDER, GATEWAY, KEY, SERVERS_KEY

NAMES = ["llmgen-envoy", "llmgen-model-always", "llmgen-swap"]
MIB = 2**20

pytestmark = [pytest.mark.reader(name) for name in ("podman", "docker-compose", "llama-swap")]


def test_envoy_answers_by_alias_from_servers_in_containers(stack):
    assert stack.machine.containers() == NAMES
    assert stack.answers("gpt-always") == "always"
    assert stack.answers("gpt-one") == "one"
    assert stack.ask("/v1/models", key="wrong")[0] == 401


def test_llama_swap_starts_and_ends_servers_within_its_container(stack):
    stack.must("load", "two")
    # The words of its servers, in its own namespace.
    top = ("top", "llmgen-swap", "args")
    assert "/models/c.gguf" in stack.machine.podman(*top)
    assert "/models/c.gguf" not in stack.machine.podman("top", "llmgen-model-always", "args")
    stack.must("unload", "--all")
    assert "/models/" not in stack.machine.podman(*top)
    assert stack.answers("two") == "two"


def test_memory_limits_are_the_files_and_the_kernels(stack):
    files = {"compose": "/etc/llmgen/compose/compose.yaml", "quadlet": "/etc/containers/systemd"}
    there = [path for path in files.values() if stack.machine.path(path).exists()]
    text = stack.machine.must("grep", "-rhE", "mem_limit|--memory |^Memory=|MemoryMax=", *there)
    told = {int(size) * MIB for size in re.findall(r"(\d+)[mM]", text)}
    planned = {row["name"]: row["memory_max"] for row in stack.must("status")["services"]}
    for name in ("model-always", "swap"):
        limit = stack.memory_limit(f"llmgen-{name}")
        assert limit in told
        # Small files of the container are memory as well.
        assert planned[name] <= limit <= planned[name] + 129 * MIB


def test_a_killed_container_comes_back(stack):
    old = stack.pid("llmgen-model-always")
    stack.machine.must("kill", "-9", str(old))
    until(lambda: stack.runs("llmgen-model-always") and stack.pid("llmgen-model-always") != old)
    assert stack.answers("gpt-always") == "always"


def test_status_and_doctor_see_into_the_containers(stack):
    until(lambda: stack.llmgen("status")["exit_code"] == 0)
    seen = stack.must("status")
    assert {row["name"]: row["health"] for row in seen["services"]} == {
        "model-always": "ok",
        "swap": "ok",
        "envoy": "ok",
    }
    (always,) = (row for row in seen["models"] if row["name"] == "always")
    assert (always["state"], always["context"], always["memory"] > 0) == ("ready", 512, True)
    failed = [
        item["rule"]
        for item in stack.llmgen("doctor")["data"]["findings"]
        if item["verdict"] == "failed"
    ]
    # The booted machine has podman's service for compose, and not the one that starts containers.
    assert set(failed) <= {"container-boot"}


def test_guard_reads_the_limit_of_llama_swaps_container(stack):
    found = stack.must("guard", "--dry-run")
    assert not found["short"]
    limit = stack.memory_limit("llmgen-swap") // MIB
    assert any(f" of {limit} MiB in use" in item["detail"] for item in found["readings"])


def test_guards_timer_asks_within_the_container(stack):
    machine = stack.machine
    said = ("journalctl", "--unit", "llmgen-guard", "-o", "cat")
    until(lambda: "memory is" in machine.must(*said), 120)
    assert machine.show("llmgen-guard.service", "Result") == "success"


def test_a_chat_in_the_terminal_and_the_logs_come_by_the_same_names(stack):
    assert stack.must("run", "gpt-one", "a", "--max-tokens", "2")["answer"]
    assert any(
        "llama-swap listening" in line for line in stack.must("logs", "swap", "-n", "1000")["lines"]
    )
    assert stack.must("logs", "--model", "one")["lines"]


def test_published_ports_are_what_the_firewall_is_told(stack):
    text = stack.machine.podman("ps", "--format={{.Ports}}")
    assert set(re.findall(r"(\S+):(\d+)->", text)) == {("127.0.0.1", str(GATEWAY))}
    # On loopback nothing is open to others.
    assert stack.must("firewall")["open"] == []


KEPT = ("/run/containers/graph", "/run/containers/storage")


def layers_of(machine, image):
    """The folders with the files of an image's layers."""
    wanted = "{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}"
    found = machine.podman("image", "inspect", f"--format={wanted}", image).strip().split(":")
    return [path for path in found if path.startswith("/") and machine.path(path).is_dir()]


def test_no_key_is_in_files_environment_images_or_logs(stack):
    machine = stack.machine
    keys = f"{KEY}\\|{SERVERS_KEY}"
    said = machine.podman("inspect", *NAMES) + machine.podman("image", "inspect", images.NAME)
    for name in NAMES:
        done = machine.run("podman", "logs", name)
        said += done.stdout + done.stderr
    said += machine.must("systemctl", "show", "llmgen*")
    said += machine.must("journalctl", "--no-pager", "--all", "-o", "cat")
    assert KEY not in said
    assert SERVERS_KEY not in said
    assert machine.run("grep", "-rl", keys, "/etc/llmgen", "/etc/containers").stdout == ""
    # Every file of every layer, and all that podman keeps of containers and of their starts.
    layers = layers_of(machine, images.NAME)
    assert layers
    walked = ("grep", "-rlaD", "skip", "--exclude-dir=merged", keys)
    assert machine.run(*walked, *layers, *KEPT).stdout == ""
    # By files, since the command itself is among them.
    named = f"-f {FOLDER}/bench.key -f {FOLDER}/servers.key"
    assert machine.run("sh", "-c", f"grep -laF {named} /proc/[0-9]*/cmdline").stdout == ""
    # They are where only the programs' own user reads them.
    private = machine.must("grep", "-rl", keys, "/run/llmgen").split()
    modes = {machine.must("stat", "-c", "%a %u", path).strip() for path in private}
    assert modes == {"600 10001"}


def test_down_leaves_nothing_and_up_brings_it_back(stack):
    stack.must("down")
    assert stack.machine.containers() == []
    assert "llmgen" not in stack.machine.podman("network", "ls", "--format={{.Name}}")
    assert stack.must("up", "--wait")["ready"]
    # So nothing has to be waited for here.
    assert stack.chat("gpt-always")[0] == 200
    assert stack.answers("gpt-one") == "one"

"""`disable` and `enable` of services in containers, and the stack's tools in its image."""

import json

import pytest
from booted import until

from containers.contained import GATEWAY

pytestmark = [pytest.mark.reader(name) for name in ("podman", "docker-compose", "llama-swap")]

NAMES = {"llmgen-envoy", "llmgen-model-always", "llmgen-swap"}


def with_the_machine(stack):
    """The containers that podman's own service starts with the machine, by its own filter."""
    return {*stack.machine.podman("ps", "--all", "--filter=restart-policy=always", "--format={{.Names}}").split()}  # fmt: skip


def enabled(stack, unit):
    return stack.machine.run("systemctl", "is-enabled", unit).stdout.strip()


def test_one_service_is_left_to_be_started_by_hand_or_refused(stack):
    ways = {"compose": one_container, "quadlet": one_quadlet}
    ways[stack.runtime](stack)


def one_container(stack):
    assert with_the_machine(stack) == NAMES
    stack.must("disable", "always")
    assert with_the_machine(stack) == NAMES - {"llmgen-model-always"}
    said = [item["code"] for item in stack.llmgen("status")["diagnostics"]]
    assert said == ["status.not-enabled"]
    # A restart keeps it so, and a crash is no start of the machine.
    stack.must("restart", "always")
    assert with_the_machine(stack) == NAMES - {"llmgen-model-always"}
    old = stack.pid("llmgen-model-always")
    stack.machine.must("kill", "-9", str(old))
    until(lambda: stack.runs("llmgen-model-always") and stack.pid("llmgen-model-always") != old)
    stack.must("enable", "always")
    assert with_the_machine(stack) == NAMES
    assert stack.answers("gpt-always") == "always"


def one_quadlet(stack):
    found = stack.llmgen("disable", "always")
    assert [item["code"] for item in found["diagnostics"]] == ["operate.generated"]
    # Systemd itself starts it with the target, which is what the hint names.
    wanted = stack.machine.must("systemctl", "show", "--value", "-pWants", "llmgen.target")
    assert {f"{name}.service" for name in NAMES} <= {*wanted.split()}
    # It has no policy, and yet nothing is said of it: podman labels what a unit starts.
    label = '{{index .Config.Labels "PODMAN_SYSTEMD_UNIT"}}'
    told = stack.machine.podman("inspect", f"--format={label}", "llmgen-swap")
    assert told.strip() == "llmgen-swap.service"
    stack.must("disable", "llmgen.target")
    assert enabled(stack, "llmgen.target") == "disabled"
    stack.must("enable", "llmgen.target")


def test_all_of_it_is_left_to_be_started_by_hand(stack):
    stack.must("disable")
    units = {enabled(stack, unit) for unit in ("llmgen.target", "llmgen-guard.timer")}
    found = with_the_machine(stack)
    stack.must("enable")
    assert (units, found) == ({"disabled"}, set())
    assert enabled(stack, "llmgen.target") == "enabled"
    assert with_the_machine(stack) == (NAMES if stack.runtime == "compose" else set())
    # What runs went on.
    assert stack.chat("gpt-always")[0] == 200


def test_a_tool_runs_in_the_image_on_the_model_s_own_path(stack):
    words = ("--model", "always", "llama-bench", "-p", "8", "-n", "0", "-r", "1", "-o", "jsonl")
    found = stack.must("tool", *words)
    (row,) = (json.loads(line) for line in found["output"].splitlines() if line.startswith("{"))
    assert (row["model_filename"], row["n_prompt"]) == ("/models/a.gguf", 8)
    # Its container went with it.
    assert {*stack.machine.containers()} == NAMES


def test_bench_measures_in_the_image_and_over_the_running_gateway(stack):
    file = f"/tmp/{stack.runtime}.jsonl"
    by_program = stack.must("bench", "one", "-o", file)["results"]
    assert {row["model"] for row in by_program} == {"one"}
    assert all(row["llama_bench"]["model_filename"] == "/models/b.gguf" for row in by_program)
    # The gateway wants a key, and bench has that of its own stack.
    url = f"http://127.0.0.1:{GATEWAY}/v1"
    (over_http,) = stack.must("bench", "one", "--http", url, "-o", file)["results"]
    assert over_http["tokens_per_second"] > 0
    assert len(stack.machine.must("cat", file).splitlines()) == len(by_program) + 1

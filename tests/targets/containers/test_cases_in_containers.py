"""The reference stacks in containers: taken by the programs that read them, or refused in words."""

from pathlib import Path, PurePosixPath

import pytest
from containers_judged import composed, generated, verified

from llmgen.config.load import load
from llmgen.config.source import parse, read
from llmgen.errors import PlanError
from llmgen.facts.lock import read_lock
from llmgen.plan.place import place
from llmgen.resolve import resolve
from llmgen.targets.containers.derive import containers
from llmgen.units import GIB, MIB

CASES = Path(__file__).parents[2] / "cases"
# `strix-halo` is the repository's own stack.
CONTAINED = ("minimal", "router", "samplers", "spark", "strix-halo")
REFUSED = {"apple-group": "containers.no-metal", "engines": "containers.on-demand-program"}


def plan_of(case, runtime, scope, more=""):
    chosen = f'[services]\nruntime = "{runtime}"\nscope = "{scope}"\n[paths]\nhome = "/home/ada"\n'
    sources = (read(str(CASES / case / "llm.toml")), parse("chosen.toml", chosen + more))
    return place(resolve(load(sources), read_lock(CASES / case / "llm.lock").facts))


def names(plan):
    return {item.name for item in containers(plan, PurePosixPath("/x"))}


def test_every_case_is_taken_or_refused():
    assert {path.parent.name for path in CASES.glob("*/llm.toml")} == {*CONTAINED, *REFUSED}


@pytest.mark.reader("docker-compose")
@pytest.mark.parametrize("scope", ["user", "system"])
@pytest.mark.parametrize("case", CONTAINED)
def test_docker_compose_takes_the_stack(case, scope, tmp_path):
    plan = plan_of(case, "compose", scope)
    assert names(plan)
    assert composed(plan, tmp_path) == (0, "")


@pytest.mark.reader("quadlet")
@pytest.mark.parametrize("scope", ["user", "system"])
@pytest.mark.parametrize("case", CONTAINED)
def test_the_generator_and_systemd_take_the_stack(case, scope, tmp_path):
    plan = plan_of(case, "quadlet", scope)
    made = generated(plan, tmp_path)
    assert {f"llmgen-{name}.service" for name in names(plan)} <= {
        path.name for path in made.iterdir()
    }
    assert not verified(made)


def test_a_check_gives_a_slow_disk_the_time_to_read_every_byte():
    """Of 59 GiB at 200 MiB a second."""
    slow = plan_of("spark", "compose", "system", '[hardware]\ndisk_bandwidth = "200MiB"\n')
    found = {item.name: item for item in containers(slow, PurePosixPath("/x"))}
    assert found["model-gpt-oss-120b"].health.start_seconds >= 59 * GIB // (200 * MIB)
    assert found["model-bge-m3"].health.start_seconds == 120


@pytest.mark.parametrize("runtime", ["compose", "quadlet"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_no_container_can_have_is_refused(case, runtime):
    plan = plan_of(case, runtime, "user")
    with pytest.raises(PlanError) as error:
        names(plan)
    assert {item.code for item in error.value.diagnostics} == {REFUSED[case]}

"""What is rendered: all on edition 1, what the stack uses on edition 2, and what llm.toml switches."""

from pathlib import PurePosixPath

import plans
import pytest

from llmgen.artifacts import Tree
from llmgen.config.tables.targets import Targets
from llmgen.errors import ConfigError
from llmgen.render.environment import make_render
from llmgen.targets import TARGETS
from llmgen.targets.selection import LATER, key, selected

MAC = """
edition = 2
[hardware]
os = "macos"
backend = "metal"
memory = "64GiB"
devices = [{ memory = "48GiB" }]
[paths]
home = "/Users/me"
"""
NEW = plans.HEAD.replace("edition = 1", "edition = 2")
ONE = '[models.a]\nmodel = "a.gguf"\n'
EMBED = ONE + '[models.e]\nmodel = "e.gguf"\nrole = "embedding"\n'
GATEWAYS = "[gateway]\nenvoy.enable = true\nlitellm.enable = true\n"


def names(text, head=NEW, asked=()):
    return {target.NAME for target in selected(plans.plan(text, head=head), asked)}


def files(text, head=NEW):
    plan = plans.plan(text, head=head)
    render = make_render()
    tree = Tree(item for target in selected(plan) for item in target.artifacts(plan, render))
    return {str(item.path) for item in tree}


def test_every_target_has_its_table():
    assert {*map(key, TARGETS)} == {*Targets.model_fields}


def test_a_mac_with_one_model_gets_a_handful_of_files():
    assert files(ONE, MAC) == {
        "llama-swap/config.yaml",
        "launchd/user/llmgen.swap.plist",
        "clients/env/llm.env",
        "CONFIGURATION.md",
        "plan.json",
    }


def test_the_first_edition_renders_every_target():
    assert names(ONE, plans.HEAD) == {*TARGETS} - LATER
    assert "llama-server/models.ini" in files(ONE, plans.HEAD)


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (ONE, set()),
        (EMBED, {"llama-server"}),
        (ONE + GATEWAYS, {"envoy", "litellm"}),
    ],
)
def test_a_new_edition_renders_what_the_stack_uses(text, more):
    assert names(text) == {"llama-swap", "systemd", "clients", "docs", "proof", *more}


def test_router_mode_has_its_presets_and_no_llama_swap():
    found = files('[services]\non_demand = "router"\n' + ONE)
    assert "llama-server/models.ini" in found
    assert "llama-swap/config.yaml" not in found


def test_all_that_is_written_beside_pages_is_installed():
    """No file of a new edition is there for nothing."""
    plan = plans.plan(EMBED + GATEWAYS, head=NEW)
    for target in selected(plan):
        for item in target.artifacts(plan, make_render()):
            assert item.install or item.target in ("clients", "docs"), item.path


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_can_be_switched_on(name):
    told = f"[targets.{key(name)}]\nenable = true\n"
    assert name in names(ONE + told)
    own = {path for path in files(EMBED + told) if path.startswith(name)}
    everything = {path for path in files(EMBED, plans.HEAD) if path.startswith(name)}
    assert own == everything or name in {"clients", *LATER}


@pytest.mark.parametrize("head", [plans.HEAD, NEW], ids=["edition 1", "edition 2"])
@pytest.mark.parametrize("name", ["systemd", "launchd", "clients", "docs", "proof"])
def test_what_nothing_runs_from_can_be_switched_off(name, head):
    told = f"[targets.{key(name)}]\nenable = false\n"
    assert names(EMBED + told, head) == names(EMBED, head) - {name}


@pytest.mark.parametrize("name", ["llama-swap", "llama-server", "envoy", "litellm"])
def test_what_the_stack_runs_from_cannot(name):
    told = f"[targets.{key(name)}]\nenable = false\n"
    with pytest.raises(ConfigError) as caught:
        names(EMBED + GATEWAYS + told)
    (found,) = caught.value.diagnostics
    assert (found.code, found.key) == ("targets.needed", ("targets", key(name), "enable"))


def test_what_it_does_not_run_from_can_on_the_first_edition_too():
    told = "[targets.envoy]\nenable = false\n[targets.litellm]\nenable = false\n"
    assert names(ONE + told, plans.HEAD) == {*TARGETS} - {"envoy", "litellm"} - LATER


@pytest.mark.parametrize("head", [plans.HEAD, NEW], ids=["edition 1", "edition 2"])
def test_the_report_is_there_by_choice_alone(head):
    assert not {"report.html", "memory.svg"} & files(EMBED, head)
    assert {"report.html", "memory.svg"} <= files(EMBED + "[targets.report]\nenable = true\n", head)


def test_the_command_line_wins():
    assert names(ONE, asked=("envoy",)) == {"envoy"}
    assert names(ONE + "[targets.docs]\nenable = false\n", asked=("docs",)) == {"docs"}


def test_no_client_format_is_no_client_file():
    found = files(ONE + "[targets.clients]\nformats = []\n")
    assert not [path for path in found if PurePosixPath(path).parts[0] == "clients"]

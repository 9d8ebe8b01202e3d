"""Each runtime has one plan: what may stand in memory together is the same, and is one stack."""

import json

import pytest
from test_cases_in_containers import CONTAINED, plan_of

from llmgen.render.environment import make_render
from llmgen.targets import proof

RUNTIMES = ("native", "compose", "quadlet")
# What containers hold beside the models is told apart, and counted in no state.
BESIDE = {"containers", "containers_beside_bytes"}


@pytest.fixture(scope="module", params=CONTAINED)
def documents(request):
    """plan.json by runtime."""
    found = {}
    for runtime in RUNTIMES:
        (item,) = proof.artifacts(plan_of(request.param, runtime, "system"), make_render())
        found[runtime] = json.loads(item.content)
    return found


def test_the_three_runtimes_reach_the_same_states(documents):
    native = documents["native"]
    assert native["states"]
    for name in ("compose", "quadlet"):
        told = {key: value for key, value in documents[name].items() if key not in BESIDE}
        assert told == native


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_state_counts_a_model_twice(runtime, documents):
    """A second stack beside it would count each of its always-on models a second time."""
    found = documents[runtime]
    always = {name for name, item in found["models"].items() if item["keep"] == "always"}
    for state in found["states"]:
        assert len({*state["models"]}) == len(state["models"])
        assert always <= {*state["models"]} <= {*found["models"]}
        parts = [found["models"][name]["bytes"] for name in state["models"]]
        for pool, size in state["bytes"].items():
            assert size == sum(part.get(pool, 0) for part in parts)

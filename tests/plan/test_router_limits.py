"""What router mode cannot keep is refused with edits that were planned."""

import drawn
import pytest
from libraries import models, planned

from llmgen.errors import PlanError
from llmgen.library import Keep

ROUTER = '[services]\non_demand = "router"\n[services.router]\nmodels_max = 2\n'
SMALL = "ctx_size = 512\nn_gpu_layers = 6"


def refused(text):
    with pytest.raises(PlanError) as caught:
        planned(text)
    return caught.value.diagnostics


def test_pinned_model_is_offered_a_server_of_its_own_that_is_counted():
    text = models("a", "b", options=SMALL, a="pin = true") + ROUTER
    (only,) = refused(text)
    assert (only.code, only.key) == ("models.router-pins-nothing", ("models", "a", "pin"))
    assert only.hint.startswith('`keep = "always"` and `pin = false` for `a` fits (`a` has a ')
    plan = planned(drawn.followed(text, only.hint))
    assert plan.placement("a").keep is Keep.ALWAYS
    assert plan.placement("a").port
    assert all("a" in state.models for state in plan.states)


def test_several_pinned_models_are_one_finding():
    text = models("a", "b", options=f"{SMALL}\npin = true") + ROUTER
    (only,) = refused(text)
    assert only.message == "`a` and `b` are pinned, which router mode cannot do"
    planned(drawn.followed(text, only.hint))


@pytest.mark.parametrize(
    ("options", "wish"),
    [
        (SMALL, '[plan]\ntogether = [["a", "b", "c"]]\n'),
        (SMALL, '[plan]\nnever_together = [["a", "b"]]\n'),
        (f"{SMALL}\npreload = true", ""),
    ],
)
def test_every_way_out_plans_when_followed(options, wish):
    text = models("a", "b", "c", options=options) + ROUTER + wish
    (only,) = refused(text)
    told = drawn.ways(only)
    assert told
    for way in told:
        planned(drawn.followed(text, way))

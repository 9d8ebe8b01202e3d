"""The proof can be checked with nothing but its own numbers."""

import json

from libraries import models, planned
from simulator import Expressions

from llmgen.plan.explain import explain
from llmgen.plan.proof import digest, proof

SMALL = "ctx_size = 4096"
TEXT = models("a", "b", "c", "d", options=SMALL, d='keep = "always"\nn_gpu_layers = 0')


def test_every_set_of_the_proof_sums_up_within_the_pools():
    document = json.loads(proof(planned(TEXT)))
    engine = document["engines"]["box"]
    sizes = {name: model["bytes"] for name, model in document["models"].items()}
    always = [name for name, model in document["models"].items() if model["keep"] == "always"]
    for found in Expressions(engine["sets"], engine["variables"]).families():
        for pool in document["pools"]:
            used = sum(sizes[name][pool["name"]] for name in (*always, *found))
            assert used <= pool["capacity_bytes"] - pool["reserve_bytes"]


def test_peaks_of_the_proof_are_its_worst_states():
    document = json.loads(proof(planned(TEXT)))
    for peak in document["peaks"]:
        assert peak["bytes"] == max(state["bytes"][peak["pool"]] for state in document["states"])


def test_digest_changes_with_what_was_proved_only():
    plan = planned(TEXT)
    assert digest(plan) == digest(planned(TEXT))
    assert digest(plan) != digest(planned(TEXT.replace("4096", "4352")))


def test_explanation_has_start_up_and_what_an_unload_during_a_swap_can_reach():
    rows = {row.kind: row for row in explain(planned(TEXT)).rows}
    assert rows["start-up"].models == ("d",)
    late = rows["unload during a swap"]
    assert set(late.models) == {"a", "b", "c", "d"}
    assert max(fill.share for fill in late.fills) > 1


def test_explanation_of_a_plan_that_no_unload_can_overfill_has_no_such_state():
    rows = explain(planned(models("a", options=SMALL))).rows
    assert [row.kind for row in rows] == ["reachable", "start-up"]


def test_lines_have_a_bar_for_each_pool_and_state():
    found = explain(planned(TEXT))
    bars = [line for line in found.lines() if "[" in line]
    assert len(bars) == 2 * len(found.rows)


def test_reasons_of_settled_values_are_told():
    plan = planned(models("a", options='ctx_size = "max"'))
    assert any("limited by gpu0 in the set {a}" in line for line in explain(plan).lines())

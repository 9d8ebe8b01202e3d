"""Priorities of a pool: larger pods first, where that is what makes all find a node."""

import pytest
from made import objects, pod_specs, stack

from llmgen.targets.kubernetes.demand import proofs

# Of two nodes with two devices each, small pods can take one device of both.
TEXT = """
[kubernetes.pools.gpu]
count = 2
{}
[models.big]
model = "big.gguf"
ctx_size = 1024
keep = "always"
device = ["gpu0", "gpu1"]
[models.small]
model = "small.gguf"
ctx_size = 1024
keep = "always"
hosts = 2
"""
PRIORITY = "priority = 100"


@pytest.mark.parametrize(("told", "certain"), [("", "no"), (PRIORITY, "yes")])
def test_with_a_priority_every_order_is_right(told, certain):
    (proof,) = proofs(stack(TEXT.format(told)))
    assert (proof.all_nodes.possible, proof.all_nodes.certain) == ("yes", certain)


def test_larger_pods_have_the_higher_class():
    found = objects(stack(TEXT.format(PRIORITY)))
    values = {
        item["metadata"]["name"]: item["value"] for item in found if item["kind"] == "PriorityClass"
    }
    specs = pod_specs(found)
    mine = {name: values[spec["priorityClassName"]] for name, spec in specs.items()}
    assert mine["model-big"] > mine["model-small"] == 100
    assert {*mine.values()} == {*values.values()}


def test_no_class_is_written_where_nobody_asks_for_it():
    assert "riorityClass" not in str(objects(stack(TEXT.format(""))))


def test_download_has_room_in_the_proof_beside_those_that_wait_for_it():
    text = 'kubernetes.llmgen_image = "x/y"\n' + TEXT.format("").replace(
        'model = "big.gguf"', 'hf_repo = "o/big"'
    )
    assert "hardware" not in text
    tight = '[kubernetes.pools.gpu.hardware]\nmemory = "{}MiB"\nreserve = "0"\n'
    needed = max(
        int(spec["containers"][0]["resources"]["requests"]["memory"].removesuffix("Mi"))
        for spec in pod_specs(objects(stack(text))).values()
    )
    for spare, fits in ((0, "no"), (512, "yes")):
        one = text.replace("count = 2", "count = 1").split("[models.small]")[0]
        (proof,) = proofs(stack(one + tight.format(needed + spare)))
        assert proof.all_nodes.possible == fits

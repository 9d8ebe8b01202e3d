"""Models over all cards of a machine: every set that fits is told, where shares follow the room."""

from random import Random

import pytest
from drawn import CHAT
from published import library, machine, model
from simulator import MatrixSwap

from llmgen.plan import derive, packing
from llmgen.plan.attempt import attempt
from llmgen.plan.scale import scale


def stack(seed, count=24, cards=4):
    """Two dozen published models, each over all cards of 24 GiB by its default shares."""
    random = Random(seed)
    text = machine(*["24GiB"] * cards, memory="256GiB")
    for number in range(count):
        kind = random.choice(("f16", "q8_0"))
        options = f'ctx_size = {random.choice((4096, 8192, 16384, 32768))}\ncache_type_k = "{kind}"'
        text += model(f"m{number}", random.choice(CHAT), options)
    made = library(text)
    return attempt(made, scale(made)).stack


SLOW = [pytest.param(seed, marks=pytest.mark.thorough) for seed in (3, 13)]


@pytest.mark.parametrize("seed", [7, *SLOW])
def test_two_dozen_models_over_four_cards_are_told_exactly(seed):
    made, random = stack(seed), Random(seed)
    matrix = derive.matrix(made).matrix
    assert matrix.complete
    swap = MatrixSwap(matrix.sets, matrix.variables, matrix.evict_costs)
    for name in random.choices(list(made.demand), k=40):
        before, after = swap.running, swap.request(name)
        assert made.allows(after)
        if made.allows(before | {name}):
            assert after == before | {name}


def test_limits_that_another_implies_are_left_out():
    made = stack(3)
    whole = derive.Stack(
        budgets={"a": 100, "b": 50, "c": 100},
        demand={
            "x": {"a": 60, "b": 30, "c": 20},
            "y": {"a": 50, "b": 20, "c": 50},
            "z": {"a": 40, "b": 10, "c": 70},
        },
    )
    assert len(packing.packing(made).limits) < len(made.budgets)
    # b takes no larger part than a of any model; c does of z.
    assert packing.packing(whole).limits == (100, 100)
    twins = derive.Stack(
        budgets={"a": 100, "b": 100}, demand={"x": {"a": 60, "b": 60}, "y": {"a": 50, "b": 50}}
    )
    assert packing.packing(twins).limits == (100,)

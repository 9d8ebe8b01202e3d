"""Names, emission rules, sizes of what is derived; soundness is in test_soundness.py."""

import re
from random import Random

import pytest
from simulator import MatrixSwap

from llmgen.plan import coarse, derive
from llmgen.plan.stack import Stack
from llmgen.units import GIB


def mixed(models, devices, seed=0):
    """Models of all sizes on cards of 24 GiB, one in three split over two of them."""
    random = Random(seed)
    cards = [f"gpu{number}" for number in range(devices)]
    demand = {}
    for number in range(models):
        used = random.sample(cards, 2 if devices > 1 and random.random() < 0.3 else 1)
        size = {card: random.randint(GIB // 2, 14 * GIB) for card in used}
        demand[f"model-{number}"] = {"host": random.randint(GIB // 4, 3 * GIB), **size}
    return Stack(budgets={"host": 60 * GIB, **dict.fromkeys(cards, 24 * GIB)}, demand=demand)


def test_variables_are_short_alphanumeric_and_unique():
    names = ["org/Model:Q4", "org/model:q8", "org-model", "model", "モデル", *map(str, range(300))]
    names += [f"very-long-name-{number}" for number in range(300)]
    found = derive.variables(names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9]{1,8}", name) for name in found.values())


def test_sets_are_named_in_order_of_preference_with_leading_zeros():
    stack = Stack(
        budgets={"gpu0": 20},
        demand={f"m{n}": {"gpu0": 10} for n in range(6)},
        together=(frozenset({"m4", "m5"}),),
        priority={"m3": 5},
    )
    matrix = derive.matrix(stack).matrix
    assert list(matrix.sets) == sorted(matrix.sets) == [f"s{n:02}" for n in range(1, 16)]
    assert matrix.listed[0] == ("m4", "m5")
    assert all("m3" in found for found in matrix.listed[1:6])


def test_identical_models_beyond_the_list_are_said_in_two_sets():
    stack = Stack(budgets={"gpu0": 35}, demand={f"m{n:03}": {"gpu0": 10} for n in range(400)})
    matrix = derive.matrix(stack).matrix
    assert matrix.complete
    assert matrix.listed == ()
    assert len(matrix.sets) == 2
    swap = MatrixSwap(matrix.sets, matrix.variables)
    for number in range(10):
        swap.request(f"m{number:03}")
        assert len(swap.running) == min(number + 1, 3)


@pytest.mark.sample(3)
@pytest.mark.parametrize(("models", "devices"), [(24, 4), (24, 1), (24, 2)])
def test_two_dozen_mixed_models_are_told_exactly(models, devices):
    stack = mixed(models, devices)
    matrix = derive.matrix(stack).matrix
    assert matrix.complete
    assert_exact_by_walking(stack, matrix, Random(1))


def assert_exact_by_walking(stack, matrix, random):
    """Everything reached fits; a model that still fits never evicts anybody."""
    swap = MatrixSwap(matrix.sets, matrix.variables, matrix.evict_costs)
    for name in random.choices(list(stack.demand), k=60):
        before = swap.running
        after = swap.request(name)
        assert stack.allows(after)
        if stack.allows(before | {name}):
            assert after == before | {name}


def test_a_thousand_mixed_models_are_told_soundly():
    stack = mixed(1000, 4, seed=3)
    matrix = derive.matrix(stack).matrix
    assert not matrix.complete
    swap = MatrixSwap(matrix.sets, matrix.variables, matrix.evict_costs)
    random = Random(4)
    for name in random.choices(list(stack.demand), k=6):
        assert stack.allows(swap.request(name))


@pytest.mark.parametrize("bearable", [0, *coarse.STEPS])
def test_finest_bearable_rounding_is_found_in_few_tries(bearable, monkeypatch):
    tried = []

    def limited(pack, *_):
        tried.append(pack.limits)
        if pack.limits and pack.limits[0] > bearable:
            raise derive.TooLarge
        return derive.diagram(pack)

    monkeypatch.setattr(coarse, "diagram", limited)
    stack = Stack(budgets={"gpu0": 256}, demand={f"m{n}": {"gpu0": 100 + n} for n in range(5)})
    found = coarse.coarse(derive.packing(stack))
    assert found.pack.limits == ((bearable,) if bearable else ())
    assert len(tried) == 4


def test_versions_that_write_sets_out_get_no_references():
    stack = mixed(24, 1)
    matrix = derive.matrix(stack, symbolic=False).matrix
    assert not matrix.complete
    assert not any("+" in text or "|" in text for text in matrix.sets.values())
    assert all(stack.allows(found) for found in matrix.listed)
    assert {name for found in matrix.listed for name in found} == {*stack.demand}


def test_same_stack_gives_the_same_text():
    assert derive.matrix(mixed(24, 4)).matrix == derive.matrix(mixed(24, 4)).matrix

"""Ten thousand random stacks: nothing that an engine reaches passes a pool, no set is too small."""

from itertools import combinations
from random import Random

import pytest
from simulator import Expressions, GroupSwap, MatrixSwap, RouterServer
from stacks import fitting, maximal, plannable, random_stack

from llmgen.plan import derive

STACKS, PARTS, STEPS = 10_000, 40, 12


def stacks(part, count=STACKS // PARTS):
    random = Random(part)
    found = 0
    while found < count:
        stack = random_stack(random)
        if plannable(stack):
            found += 1
            yield stack, random


def walk(engine, stack, random, steps=STEPS):
    """States of an engine after random requests, with an unload of an unpinned one now and then."""
    for name in stack.pinned:
        engine.request(name)
    names = list(stack.demand)
    loose = [name for name in names if name not in stack.pinned]
    yield engine.running
    for _ in range(steps):
        yield engine.request(random.choice(names))
        if loose and random.random() < 0.1:
            engine.unload(random.choice(loose))


@pytest.mark.parametrize("part", range(PARTS))
def test_every_set_fits_is_maximal_and_none_is_missing(part):
    for stack, random in stacks(part):
        fits = fitting(stack)
        matrix = derive.matrix(stack).matrix
        assert {*map(frozenset, matrix.listed)} == maximal(fits, stack), stack
        swap = MatrixSwap(matrix.sets, matrix.variables, matrix.evict_costs)
        assert {*swap.expressions.families()} == {*map(frozenset, matrix.listed)}
        for state in walk(swap, stack, random):
            assert state in fits, (stack, state)


@pytest.mark.parametrize("part", range(10))
def test_pinned_models_stay_through_every_request(part):
    for stack, random in stacks(97 + part, 150):
        matrix = derive.matrix(stack).matrix
        swap = MatrixSwap(matrix.sets, matrix.variables, matrix.evict_costs)
        assert all(stack.pinned <= state for state in walk(swap, stack, random)), stack


@pytest.mark.parametrize("part", range(PARTS))
def test_router_never_passes_a_pool_and_one_model_more_could(part):
    for stack, random in stacks(part):
        fits = fitting(stack)
        limit = derive.router(stack).models_max
        for state in walk(RouterServer(limit), stack, random):
            assert state in fits, (stack, limit, state)
        if limit < len(stack.demand):
            names = frozenset(stack.demand)
            heavier = (found for found in subsets(names, limit + 1) if found not in fits)
            assert any(heavier), stack


def subsets(names, size):
    return map(frozenset, combinations(sorted(names), size))


@pytest.mark.parametrize("part", range(8))
def test_groups_never_pass_a_pool_and_are_complete_when_they_say_so(part):
    for stack, random in stacks(part, 250):
        fits = fitting(stack)
        made = derive.groups(stack)
        engine = GroupSwap(
            (frozenset(item.members), item.swap, item.exclusive, item.persistent)
            for item in made.groups
        )
        for state in walk(engine, stack, random):
            assert state in fits, (stack, made, state)
        if made.complete:
            for wanted in maximal(fits, stack):
                engine.running = frozenset()
                for name in wanted:
                    engine.request(name)
                assert engine.running == wanted


@pytest.mark.parametrize("part", range(7))
def test_expression_stands_for_exactly_the_maximal_sets(part, monkeypatch):
    monkeypatch.setattr(derive, "LISTED", 1)
    for stack, random in stacks(part, 200):
        fits = fitting(stack)
        matrix = derive.matrix(stack).matrix
        assert matrix.complete
        families = {*Expressions(matrix.sets, matrix.variables).families()}
        largest = {found for found in families if not any(found < other for other in families)}
        assert largest == maximal(fits, stack), stack
        swap = MatrixSwap(matrix.sets, matrix.variables, matrix.evict_costs)
        for state in walk(swap, stack, random):
            assert state in fits


@pytest.mark.parametrize("part", range(6))
def test_sets_from_rounded_weights_fit_and_hold_every_model(part, monkeypatch):
    monkeypatch.setattr(derive, "LISTED", 0)
    monkeypatch.setattr("llmgen.plan.derive.diagram", _too_large)
    for stack, random in stacks(part, 100):
        fits = fitting(stack)
        matrix = derive.matrix(stack).matrix
        assert not matrix.complete
        families = Expressions(matrix.sets, matrix.variables).families()
        assert {*families} <= fits
        assert frozenset().union(*families) == {*stack.demand}
        swap = MatrixSwap(matrix.sets, matrix.variables, matrix.evict_costs)
        for state in walk(swap, stack, random):
            assert state in fits


def _too_large(pack):
    raise derive.TooLarge

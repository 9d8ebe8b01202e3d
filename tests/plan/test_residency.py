"""The worst states of each engine, against every state that its rules allow."""

from itertools import combinations
from random import Random

import pytest
from stacks import fitting, plannable, random_stack

from llmgen.plan import derive, residency
from llmgen.plan.plan import Group, Groups
from llmgen.plan.stack import Stack


def peak(stack, sets, pool):
    return max(stack.sums(models)[pool] for models in sets)


def told(states, pool):
    return max(item.peaks[pool] for item in states)


def stacks(seed, count):
    random = Random(seed)
    made = (random_stack(random) for _ in range(10 * count))
    return [stack for stack in made if plannable(stack)][:count]


@pytest.mark.parametrize("listed", [512, 0])
def test_matrix_tells_the_fullest_state_of_each_pool(listed, monkeypatch):
    monkeypatch.setattr(derive, "LISTED", listed)
    for stack in stacks(1, 200):
        states = residency.matrix_states(stack, derive.matrix(stack))
        reached = [found for found in fitting(stack) if stack.pinned <= found]
        for pool in stack.budgets:
            assert told(states, pool) == peak(stack, reached, pool), stack


def test_router_tells_the_fullest_of_any_models():
    for stack in stacks(2, 100):
        for count in range(1, len(stack.demand) + 1):
            states = residency.router_states(stack, count)
            for pool in stack.budgets:
                assert told(states, pool) == peak(stack, combinations(stack.demand, count), pool)


def allowed(groups, models):
    """Whether llama-swap's groups can hold these models at once."""
    inside = [(group, {*group.members} & models) for group in groups]
    alone = [group for group, met in inside if met and group.exclusive and not group.persistent]
    return len(alone) < 2 and all(len(met) < 2 for group, met in inside if group.swap)


@pytest.mark.parametrize("most", [512, 0])
def test_groups_tell_the_fullest_state_of_each_pool(most, monkeypatch):
    monkeypatch.setattr(residency, "_TOLD", most)
    random = Random(3)
    for stack in stacks(4, 200):
        names = list(stack.demand)
        parts = [names[at::3] for at in range(3) if names[at::3]]
        flags = [[random.random() < 0.5 for _ in range(3)] for _ in parts]
        groups = tuple(
            Group(f"g{at}", tuple(members), swap=swap, exclusive=exclusive, persistent=persistent)
            for at, (members, (swap, exclusive, persistent)) in enumerate(
                zip(parts, flags, strict=True)
            )
        )
        states = residency.group_states(stack, Groups(groups))
        sizes = range(len(names) + 1)
        every = (frozenset(found) for count in sizes for found in combinations(names, count))
        reached = [found for found in every if allowed(groups, found)]
        for pool in stack.budgets:
            assert told(states, pool) == peak(stack, reached, pool), (stack, groups)


def test_groups_with_more_combinations_than_can_be_counted_are_told_at_once():
    demand = {f"m{n}": {f"gpu{n % 20}": n} for n in range(400)}
    stack = Stack(budgets={f"gpu{n}": 10_000 for n in range(20)}, demand=demand)
    groups = tuple(
        Group(f"g{n}", tuple(f"m{at}" for at in range(n, 400, 20)), swap=True) for n in range(20)
    )
    states = residency.group_states(stack, Groups(groups))
    assert [told(states, f"gpu{n}") for n in range(20)] == [380 + n for n in range(20)]

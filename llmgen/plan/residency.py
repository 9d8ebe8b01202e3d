"""Which states an engine can reach, and the worst of them for each pool.

llama-swap's matrix reaches every subset of a set, and each model alone; its groups one member of
each swapping group beside all others, of groups that are exclusive and not persistent at most one;
the router any ``models_max`` models. Always-on models are in every state, and so is what a pool's
reserve holds. Rules and their proofs against the programs: tests/plan/simulator.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from math import prod
from typing import TypeAlias

from llmgen.plan.derive import Derived, heaviest_any
from llmgen.plan.expression import heaviest
from llmgen.plan.plan import Group, Groups, State
from llmgen.plan.stack import Stack

# What a group can have in memory: one of its members, or all of them.
_Choices: TypeAlias = list[tuple[str, ...]]
# More combinations of groups than these are told by the worst state of each pool alone.
_TOLD = 512


def state(stack: Stack, models: tuple[str, ...]) -> State:
    """These on-demand models with every always-on one, and what each pool then holds."""
    return State((*stack.always, *models), stack.sums(models))


def matrix_states(stack: Stack, derived: Derived) -> list[State]:
    """Every listed set, and of a diagram the worst set for each pool."""
    found = list(derived.matrix.listed)
    if derived.diagram is not None:
        for pool in stack.budgets:
            models = heaviest(derived.diagram, stack.demand, pool)
            found.append(stack.ordered({*models, *stack.pinned}))
    return [state(stack, models) for models in dict.fromkeys(found)]


def group_states(stack: Stack, groups: Groups) -> list[State]:
    """Every maximal combination, or the worst for each pool when there are too many."""
    beside = [*_beside(groups)]
    if sum(prod(map(len, choices)) for choices in beside) <= _TOLD:
        found = [parts for choices in beside for parts in product(*choices)]
    else:
        found = [_worst(stack, beside, pool) for pool in stack.budgets]
    every = (stack.ordered({name for part in parts for name in part}) for parts in found)
    return [state(stack, models) for models in dict.fromkeys(every)]


def _beside(groups: Groups) -> Iterator[list[_Choices]]:
    """Groups whose members can be in memory together, each as what it can contribute."""
    free = [item for item in groups.groups if not item.exclusive or item.persistent]
    bound = [item for item in groups.groups if item.exclusive and not item.persistent]
    for chosen in [[item] for item in bound] or [[]]:
        yield [_choices(item) for item in (*free, *chosen)]


def _choices(group: Group) -> _Choices:
    return [(name,) for name in group.members] if group.swap else [group.members]


def _worst(stack: Stack, beside: list[list[_Choices]], pool: str) -> tuple[tuple[str, ...], ...]:
    """What takes most of a pool: groups do not know of each other, so the most of each."""

    def size(models: Iterable[str]) -> int:
        return sum(stack.demand[name].get(pool, 0) for name in models)

    found = [tuple(max(choices, key=size) for choices in groups) for groups in beside]
    return max(found, key=lambda parts: sum(map(size, parts)))


def router_states(stack: Stack, models_max: int) -> list[State]:
    """For each pool the ``models_max`` models that take most of it: any others take less."""
    worst = (heaviest_any(stack, models_max, pool) for pool in stack.budgets)
    return [state(stack, models) for models in dict.fromkeys(worst)]

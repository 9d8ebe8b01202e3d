"""The real engines under random requests: never a state outside the plan, and as simulated."""

import sys
from pathlib import Path
from random import Random

import pytest

from readers.residency import group_routing, matrix_routing, walk_router, walk_swap, walk_swaps

sys.path.append(str(Path(__file__).parent.parent / "plan"))
import walks
from simulator import GroupSwap, MatrixSwap, RouterServer
from test_derive import mixed

from llmgen.plan import derive

pytestmark = pytest.mark.reader("llama-server")
MODELS = list(walks.STACK.demand)


@pytest.mark.reader("llama-swap")
@pytest.mark.sample(4)
@pytest.mark.parametrize(
    ("form", "first", "count", "length"),
    [("listed", 0, 2, 50), ("listed", 2, 2, 50), ("listed", 4, 2, 50), ("expression", 0, 3, 10)],
)
def test_llama_swap_stays_within_the_derived_matrix_and_keeps_what_is_pinned(
    tmp_path, form, first, count, length
):
    matrix = walks.matrices()[form]
    allowed = [frozenset(found) for found in derive.matrix(walks.STACK).matrix.listed]
    asked = [["embed", *walks.requests(length, seed=11 + first + walk)] for walk in range(count)]
    held = walk_swaps(tmp_path, MODELS, matrix_routing(matrix), asked)
    for names, states in zip(asked, held, strict=True):
        swap = MatrixSwap(matrix.sets, matrix.variables, matrix.evict_costs)
        for name, found in zip(names, map(frozenset, states), strict=True):
            assert any(found <= one for one in allowed), (name, found)
            assert walks.STACK.pinned <= found
            assert found == swap.request(name)


@pytest.mark.reader("llama-swap")
@pytest.mark.sample(2)
@pytest.mark.parametrize(("models", "devices"), [(24, 1), (1000, 4)])
def test_llama_swap_takes_the_sets_of_many_models(tmp_path, models, devices):
    stack = mixed(models, devices)
    matrix = derive.matrix(stack).matrix
    swap = MatrixSwap(matrix.sets, matrix.variables, matrix.evict_costs)
    asked = Random(14).choices(list(stack.demand), k=8)
    held = walk_swap(tmp_path, list(stack.demand), matrix_routing(matrix), asked)
    for name, found in zip(asked, map(frozenset, held), strict=True):
        assert stack.allows(found), (name, found)
        assert found == swap.request(name)


@pytest.mark.reader("llama-swap")
def test_llama_swap_evicts_by_groups_as_simulated(tmp_path):
    swap = GroupSwap(
        (frozenset(group.members), group.swap, group.exclusive, group.persistent)
        for group in walks.GROUPS.groups
    )
    asked = walks.requests(30, seed=12)
    held = walk_swap(tmp_path, MODELS, group_routing(walks.GROUPS), asked)
    for name, found in zip(asked, map(frozenset, held), strict=True):
        assert found == swap.request(name)


@pytest.mark.parametrize("length", [60, pytest.param(300, marks=pytest.mark.thorough)])
def test_router_stays_within_models_max(tmp_path, length):
    limit = derive.router(walks.STACK).models_max
    router = RouterServer(limit)
    asked = walks.requests(length, seed=13)
    held = walk_router(tmp_path, MODELS, limit, asked)
    for name, found in zip(asked, map(frozenset, held), strict=True):
        assert not walks.STACK.over(found), (name, found)
        assert found == router.request(name)

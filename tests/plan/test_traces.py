"""The benefit that the README claims, recomputed."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import trace_benefit
import trace_offline
import trace_requests


@pytest.fixture(scope="module")
def figures():
    return trace_benefit.figures()


@pytest.mark.thorough
def test_table_is_current(figures):
    now = trace_benefit.table(figures)
    assert trace_benefit.RESULT.read_text("utf-8") == now, "python tests/bench/trace_benefit.py"


@pytest.mark.thorough
def test_derived_plan_loads_less_than_the_others_and_nobody_beats_the_optimum(figures):
    for trace, row in figures.items():
        best, derived, hand, one = (
            row[name]
            for name in ("offline optimum", "derived plan", "groups by hand", "one at a time")
        )
        assert best <= derived < hand < one, trace


def test_optimum_of_a_trace_that_a_person_can_solve():
    # a and b fit together, c fits with neither: keep a, load b and c once, a again for the end.
    stack = trace_benefit.Stack(
        budgets={"gpu0": 10}, demand={"a": {"gpu0": 5}, "b": {"gpu0": 5}, "c": {"gpu0": 6}}
    )
    files = {"a": 5.0, "b": 1.0, "c": 6.0}
    assert trace_offline.offline("abac" + "a", stack, files) == 5 + 1 + 6 + 5


def test_traces_are_the_same_every_time():
    assert all(made() == made() for made in trace_requests.TRACES.values())

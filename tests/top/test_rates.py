"""Tokens per second are what the same slots differ in between two looks."""

import pytest

from llmgen.operate.status.observations import SlotWork
from llmgen.top.rates import rate

BEFORE = (SlotWork(0, 7, 100), SlotWork(1, 8, 50))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (BEFORE, 0.0),
        ((SlotWork(0, 7, 140), SlotWork(1, 8, 70)), 30.0),
        # Another task in a slot began since.
        ((SlotWork(0, 9, 10), SlotWork(1, 8, 50)), 5.0),
        # A slot whose task is the same has not unmade tokens.
        ((SlotWork(0, 7, 0),), 0.0),
        ((SlotWork(5, 1, 8),), 4.0),
    ],
)
def test_only_what_came_since_counts(now, expected):
    assert rate(BEFORE, now, 2.0) == expected


def test_the_first_look_has_no_rate():
    assert rate((), BEFORE, 2.0) is None

"""Which layers are left out."""

import pytest

from llmgen.budget.graph.repeats import shortened


@pytest.mark.parametrize(
    ("kinds", "layers"),
    [
        ("aaaaaaaa", (0, 1, 2, 7)),
        ("aaaa", (0, 1, 2, 3)),
        ("abcd", (0, 1, 2, 3)),
        ("xababababababy", (0, 1, 2, 3, 4, 5, 6, 11, 12, 13)),
        ("aaaaaaabbbbbbb", (0, 1, 2, 6, 7, 8, 9, 13)),
    ],
)
def test_the_first_three_repetitions_and_the_last_one_stay(kinds, layers):
    assert shortened(kinds, 3).layers == layers


def test_behind_the_last_two_of_those_that_stay_the_arenas_have_to_be_equal():
    assert shortened("ababababab", 3).equal == ((3, 5),)


def test_nothing_is_left_out_of_as_many_as_there_are():
    assert shortened("aaaaa", 5) == shortened("aaaaa", 9)


@pytest.mark.parametrize(
    ("kinds", "layers", "equal"),
    [
        ("aaaaaaaaaa", (0, 1, 2, 3, 8, 9), ((1, 3),)),
        ("aaaaaaaaaaa", (0, 1, 2, 3, 8, 9, 10), ((1, 3),)),
        ("abababababababab", (0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15), ((3, 7),)),
    ],
)
def test_a_repetition_may_have_two_periods(kinds, layers, equal):
    found = shortened(kinds, 2, 2)
    assert (found.layers, found.equal) == (layers, equal)

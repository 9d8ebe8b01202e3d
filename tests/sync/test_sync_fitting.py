import pytest

from llmgen.errors import Diagnostic, PlanError
from llmgen.sync.fitting import fitting

SIZES = {"a": 3, "b": 9, "c": 2, "d": 20, "e": 1}


def refusal(names):
    total = sum(SIZES[name] for name in names)
    return PlanError(Diagnostic("x", f"{total}")) if total > 10 else None


def test_earlier_names_come_first_and_the_others_are_refused_with_the_reason():
    taken, refused = fitting([], "abcde", refusal)
    assert taken == ("a", "c", "e")
    assert {name: str(error) for name, error in refused.items()} == {"b": "12", "d": "25"}


def test_what_a_refusal_names_is_tried_last_and_by_itself():
    asked = []

    def blaming(names):
        asked.append(names)
        large = [Diagnostic("x", name, ("models", name)) for name in names if SIZES[name] > 8]
        return PlanError(large) if large else None

    taken, refused = fitting([], "abcde", blaming)
    assert taken == ("a", "c", "e")
    assert {name: str(error) for name, error in refused.items()} == {"b": "b", "d": "d"}
    assert asked == [[*"abcde"], [], [*"ace"], [*"aceb"], [*"aced"]]


def test_what_is_needed_is_never_left_out():
    assert fitting(["b"], "abcde", refusal)[0] == ("b", "e")
    with pytest.raises(PlanError):
        fitting(["d"], "abc", refusal)

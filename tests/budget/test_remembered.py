"""Answers that are asked for again."""

import pytest

from llmgen.budget.remembered import Remembered


def test_an_answer_is_made_once():
    made = []
    known = Remembered(2)
    for _ in range(3):
        assert known.get("key", None, lambda: made.append(1) or len(made)) == 1
    assert made == [1]


def test_the_oldest_answer_is_forgotten():
    known = Remembered(2)
    for key in "abc":
        known.get(key, None, lambda key=key: key)
    assert known.get("b", None, lambda: "again") == "b"
    assert known.get("a", None, lambda: "again") == "again"


def test_a_refusal_is_not_remembered():
    known = Remembered(2)
    with pytest.raises(ZeroDivisionError):
        known.get("key", None, lambda: 1 // 0)
    assert known.get("key", None, lambda: 2) == 2


def test_what_a_key_names_by_its_identity_stays_alive():
    known, owner = Remembered(2), [object()]
    known.get(id(owner), owner, lambda: 1)
    kept = id(owner)
    del owner
    assert id([object()]) != kept

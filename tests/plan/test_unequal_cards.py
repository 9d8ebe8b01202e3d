"""Models over unequal cards: nothing is refused that some division of their layers fits.

``LLMGEN_UNEQUAL_SEED`` draws others.
"""

import os
from collections import Counter
from random import Random

import pytest
from published import machine, model, planned
from unequal_cards import Stack, drawn, refused, wrong

from llmgen.plan import search
from llmgen.plan.place import place

SEED = os.environ.get("LLMGEN_UNEQUAL_SEED", "5")
STACKS, PARTS = 2000, 20

# Drawn for several machines: the third model left other shares to the first two.
SMALLER = Stack(
    (8, 12, 6),
    {},
    {},
    {
        "m0": {"model": "s2.gguf", "ctx_size": 32768, "cache_ram": 0, "pin": True},
        "m1": {"model": "s5.gguf", "ctx_size": 32768, "cache_ram": 0},
        "m2": {"model": "s8.gguf", "ctx_size": 2048, "cache_ram": 0, "keep": "always"},
    },
)


def check(part, count):
    for number in range(count):
        stack = drawn(Random(f"{SEED} {part} {number}"))
        found = [*wrong(stack, Counter())]
        assert not found, (found, stack.text)


def test_a_smaller_set_fits_where_a_larger_one_does():
    for stack in (SMALLER, SMALLER.without("m2"), SMALLER.without("m0")):
        assert not refused(stack)


def test_shares_that_fit_in_proportion_stay_so():
    whys = [item.why for found in place(SMALLER.library).placements for item in found.reasons]
    assert len(whys) == 3
    assert all("in proportion to what" in why for why in whys)


def test_what_a_division_fits_is_not_refused_nor_without_one_of_its_models():
    check("quick", 12)


def test_a_search_that_is_cut_refuses_nothing_without_saying_so(monkeypatch):
    monkeypatch.setattr(search, "DIVISION_STEPS", 100)
    check("cut", 8)


def test_where_divisions_are_too_many_those_that_fill_devices_are_tried():
    # Three of 65 layers that just fit: there are some 10^13 divisions.
    cards = machine("24GiB", "20GiB", "15GiB", "11GiB", memory="256GiB")
    options = 'keep = "always"\nctx_size = 8192'
    plan = planned(cards + "".join(model(f"m{at}", "qwen3-32b", options) for at in range(3)))
    assert all(sum(item.settings.tensor_split) == 65 for item in plan.placements)


@pytest.mark.thorough
@pytest.mark.parametrize("part", range(PARTS))
def test_of_two_thousand_stacks_none_is_refused_that_a_division_fits(part):
    check(part, STACKS // PARTS)

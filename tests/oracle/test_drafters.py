"""Contexts that draft, as the real server reserves them once it runs."""

import random

import pytest

from oracle.block_drafts import dflash, dflash2, dspark
from oracle.drafters import (
    ROUNDED_MIB,
    assistant,
    computed,
    contexts_of,
    eagle3,
    ours_mib,
    reported_mib,
)


def _thorough(kind, seed):
    return pytest.param(kind, seed, marks=pytest.mark.thorough)


@pytest.mark.reader("llama-server")
@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        *((kind, seed) for kind in (eagle3, assistant) for seed in (51, 52)),
        # One with a window, one with its Markov head, one with a smaller vocabulary.
        *((dflash, 51), (dspark, 58), (dflash2, 52)),
        *(_thorough(kind, 53) for kind in (eagle3, assistant, dflash, dspark, dflash2)),
    ],
)
def test_both_compute_buffers_are_those_of_the_server(kind, seed, tmp_path):
    pair = kind(random.Random(seed), tmp_path)
    made = computed(contexts_of(pair))
    assert not any(item.guessed for item in made)
    assert ours_mib(made) == pytest.approx(reported_mib(pair), abs=ROUNDED_MIB), pair.settings

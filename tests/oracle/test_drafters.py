"""Contexts that draft, as the real server reserves them once it runs."""

import random

import pytest

from oracle.drafters import ROUNDED_MIB, assistant, computed, eagle3, ours_mib, reported_mib


@pytest.mark.reader("llama-server")
@pytest.mark.parametrize("kind", [eagle3, assistant])
@pytest.mark.parametrize("seed", [51, 52, pytest.param(53, marks=pytest.mark.thorough)])
def test_both_compute_buffers_are_those_of_the_server(kind, seed, tmp_path):
    pair = kind(random.Random(seed), tmp_path)
    made = computed(pair)
    assert not any(item.guessed for item in made)
    assert ours_mib(made) == pytest.approx(reported_mib(pair), abs=ROUNDED_MIB), pair.settings

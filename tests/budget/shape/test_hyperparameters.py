"""The header as an architecture reads it."""

import pytest
from making_facts import facts, llama

from llmgen.budget.settings import SettingRefused
from llmgen.budget.shape.hyperparameters import hyperparameters

SMALL = {
    "block_count": 4,
    "embedding_length": 256,
    "context_length": 8192,
    "attention.head_count": 4,
}


def shape(architecture="llama", build=11434, **values):
    return hyperparameters(facts(architecture, {**SMALL, **values}), build)


def test_a_head_is_the_embedding_divided_by_the_heads():
    found = shape()
    assert (found.key_length, found.value_length) == (64, 64)
    assert found.key_width(0) == found.value_width(0) == 256


def test_grouped_queries_share_heads_of_k_and_v():
    found = shape(**{"attention.head_count_kv": 2, "attention.value_length": 32})
    assert (found.key_width(0), found.value_width(0)) == (128, 64)


def test_each_layer_may_have_heads_of_its_own():
    found = shape(**{"attention.head_count_kv": [1, 2, 4, 0]})
    assert [found.key_width(layer) for layer in range(4)] == [64, 128, 256, 0]


def test_windowed_layers_may_have_heads_of_another_length():
    listed = [True, True, True, False]
    found = shape("gemma4", **{
        "attention.sliding_window": 512, "attention.sliding_window_pattern": listed,
        "attention.key_length": 128, "attention.key_length_swa": 64, "attention.head_count_kv": 2,
    })  # fmt: skip
    assert [found.key_width(layer) for layer in range(4)] == [128, 128, 128, 256]


def test_the_vocabulary_is_that_of_the_tokens_or_of_the_header():
    assert shape().vocabulary == 32000
    nothing = facts("llama", {**SMALL, "vocab_size": 99}, vocabulary=0)
    assert hyperparameters(nothing).vocabulary == 99


@pytest.mark.parametrize("blocks", [0, 513])
def test_no_layers_and_too_many_are_refused(blocks):
    with pytest.raises(SettingRefused, match="the server takes 1 to 512"):
        shape(block_count=blocks)
    assert shape(block_count=512).layers == 512


def test_nextn_blocks_are_the_last_ones_and_not_of_the_trunk():
    found = shape("glm4moe", nextn_predict_layers=1, expert_count=4, expert_used_count=2)
    assert (found.layers, found.nextn, found.trunk) == (4, 1, 3)


def test_all_blocks_may_be_nextn_ones_and_no_more():
    assert shape("glm4moe", nextn_predict_layers=9).trunk == 0


def test_shared_layers_own_no_cache():
    found = shape("gemma4", **{
        "attention.shared_kv_layers": 3, "attention.sliding_window": 64,
        "attention.sliding_window_pattern": [True] * 4,
    })  # fmt: skip
    assert found.owners == 1


def test_a_latent_head_is_known_by_both_of_its_lengths():
    latent = {"attention.key_length_mla": 192, "attention.value_length_mla": 128,
              "attention.kv_lora_rank": 512}  # fmt: skip
    assert shape("deepseek2", **latent).mla
    assert not shape("deepseek2", **{**latent, "attention.value_length_mla": 0}).mla
    assert not shape("llama", **latent).mla


@pytest.mark.parametrize(("experts", "used"), [(4, 5), (4, 0), (0, 2)])
def test_more_experts_used_than_there_are_or_none_of_them_are_refused(experts, used):
    with pytest.raises(SettingRefused, match=f"`expert_used_count` is {used} of {experts}"):
        shape(expert_count=experts, expert_used_count=used)


def test_gate_and_up_of_experts_may_be_one_matrix():
    assert not hyperparameters(llama()).fused_experts

"""Bytes of a context: cells times rows, layer by layer, as the constructors of llama.cpp's caches do."""

import pytest
from making_facts import facts, llama

from llmgen.budget.context import DraftRole, context
from llmgen.budget.settings import ServerSettings

SMALL = {
    "block_count": 8,
    "embedding_length": 256,
    "context_length": 8192,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
}
# Two heads of 64 elements in f16.
ROW = 2 * 64 * 2


def model(architecture, **values):
    return facts(architecture, {**SMALL, **values})


def shares(found, **settings):
    asked = {"ctx_size": 4096, "parallel": 1, **settings}
    return context(found, ServerSettings(**asked)).shares


def total(found, **settings):
    return sum(share.bytes_total for share in shares(found, **settings))


def named(found, word, **settings):
    return [share for share in shares(found, **settings) if word in share.what]


def test_k_and_v_are_a_row_for_every_cell_of_every_layer():
    assert total(llama()) == 4 * 4096 * 2 * ROW


def test_slots_with_caches_of_their_own_have_as_many_cells_each():
    assert total(llama(), parallel=3, ctx_size=3 * 1024) == 4 * 3072 * 2 * ROW


def test_cells_are_rounded_up_to_256():
    assert total(llama(), ctx_size=4097) == 4 * 4352 * 2 * ROW


@pytest.mark.parametrize(
    ("kind", "size"), [("f32", 512), ("bf16", 256), ("q8_0", 136), ("q5_0", 88), ("q4_0", 72)]
)
def test_k_has_the_type_that_it_is_given(kind, size):
    assert total(llama(), cache_type_k=kind) == 4 * 4096 * (size + ROW)


def test_v_has_its_own_type():
    assert total(llama(), cache_type_v="q8_0") == 4 * 4096 * (136 + ROW)


def test_without_flash_attention_v_of_all_layers_is_as_wide_as_the_widest():
    """`n_embd_v_gqa_max`: V lies in columns then."""
    values = {"block_count": 4, "attention.head_count_kv": [1, 2, 4, 1]}
    found = model("llama", **values)
    keys, wide = (1 + 2 + 4 + 1) * 128 * 4096, 4 * 4 * 128 * 4096
    assert total(found, flash_attn="off") == keys + wide
    assert total(found) == 2 * keys


def test_a_window_is_as_long_as_itself_and_a_micro_batch():
    found = model("gemma2", **{"attention.sliding_window": 1024})
    cells = {share.what: share.bytes_each // ROW for share in shares(found)}
    assert cells == {
        "K, full attention": 4096,
        "V, full attention": 4096,
        "K, sliding window": 1024 + 512,
        "V, sliding window": 1024 + 512,
    }


def test_windows_are_as_long_as_the_context_if_that_is_asked_for_or_shorter():
    found = model("gemma2", **{"attention.sliding_window": 1024})
    assert total(found, swa_full=True) == 8 * 4096 * 2 * ROW
    assert total(found, ctx_size=512) == 8 * 512 * 2 * ROW


def test_only_windows_that_forget_are_checkpointed():
    found = model("gemma2", **{"attention.sliding_window": 1024})
    assert {share.what for share in shares(found) if share.checkpointed} == {
        "K, sliding window",
        "V, sliding window",
    }
    assert not any(share.checkpointed for share in shares(found, swa_full=True))


LATENT = {
    "attention.head_count_kv": 1,
    "attention.kv_lora_rank": 512,
    "attention.key_length": 576,
    "attention.value_length": 512,
    "attention.key_length_mla": 192,
    "attention.value_length_mla": 128,
}


def test_latent_rows_are_keys_alone():
    """512 elements of the latent row and 64 that are rotated; V is a part of them."""
    assert total(model("deepseek2", **LATENT)) == 8 * 4096 * 576 * 2


def test_recurrent_state_is_f32_and_one_row_for_each_slot():
    values = {"ssm.conv_kernel": 4, "ssm.inner_size": 512, "ssm.state_size": 16}
    found = model("mamba", **values, **{"attention.head_count": 0, "attention.head_count_kv": 0})
    row = (3 * 512 + 16 * 512) * 4
    assert total(found) == 8 * row
    assert total(found, parallel=3) == 3 * 8 * row
    assert total(found, ctx_size=65536) == total(found)
    assert all(share.checkpointed for share in shares(found))


def test_a_hybrid_has_both_each_on_its_layers():
    heads = [0, 0, 2, 0, 0, 2, 0, 0]
    found = model("lfm2", **{"attention.head_count_kv": heads, "shortconv.l_cache": 3})
    (state,) = named(found, "recurrent")
    assert state.layers == (0, 1, 3, 4, 6, 7)
    assert state.bytes_each == 2 * 256 * 4
    assert sum(share.bytes_total for share in named(found, "attention")) == 2 * 4096 * 2 * ROW


def test_nextn_layers_have_no_cache_in_the_main_context():
    values = {"nextn_predict_layers": 1, "expert_count": 4, "expert_used_count": 2}
    found = model("glm4moe", **values)
    assert total(found) == 7 * 4096 * 2 * ROW


def test_layers_that_read_those_of_others_have_none():
    values = {"attention.shared_kv_layers": 3, "attention.sliding_window": 4096,
              "attention.sliding_window_pattern": [False] * 8}  # fmt: skip
    assert total(model("gemma4", **values)) == 5 * 4096 * 2 * ROW


def test_an_encoder_without_a_cache_has_no_context():
    assert shares(model("bert", **{"attention.causal": False, "context_length": 512}),
                  ctx_size=512, embedding=True) == ()  # fmt: skip


def test_the_sum_of_a_share_is_said_as_people_add_it():
    (keys, _) = shares(llama())
    assert keys.sum == "128 elements in f16 = 256 B x 4096 cells"
    assert keys.bytes_total == 4 * keys.bytes_each


COMPRESSED = {
    "block_count": 4,
    "attention.head_count_kv": 1,
    "attention.key_length": 64,
    "attention.value_length": 64,
    "attention.sliding_window": 128,
    "attention.indexer.key_length": 32,
    "attention.compress_ratios": [0, 4, 128, 4],
}


def compressed(**settings):
    found = shares(model("deepseek4", **COMPRESSED), **settings)
    return {share.what: (share.layers, share.bytes_each) for share in found}


def test_compressed_keys_are_every_fourth_and_every_128th():
    found = compressed(ctx_size=65536)
    assert found["K compressed 4:1"] == ((1, 3), 65536 // 4 * 64 * 2)
    assert found["K compressed 128:1"] == ((2,), 65536 // 128 * 64 * 2)
    assert found["indexer K 4:1"] == ((1, 3), 65536 // 4 * 32 * 2)
    assert "indexer K 128:1" not in found


def test_raw_keys_are_those_of_the_window_alone():
    """128 of the window and 512 of a micro-batch, rounded up to 256."""
    assert compressed(ctx_size=65536)["K, raw K"] == ((0, 1, 2, 3), 768 * 64 * 2)


def test_compressors_keep_values_and_scores_of_blocks_that_are_not_full():
    """`llama_dsv4_comp_state`: two f32 planes; blocks of four overlap, so twice four rows, twice as wide."""
    found = compressed()
    assert found["state of fine compression"] == ((1, 3), 2 * 4 * (8 * 2 * 64 + 8 * 2 * 32))
    assert found["state of coarse compression"] == ((2,), 2 * 4 * 128 * 64)


def test_each_slot_has_its_own():
    one, three = compressed(), compressed(parallel=3, ctx_size=3 * 4096)
    assert {what: size for what, (_, size) in three.items()} == {
        what: 3 * size for what, (_, size) in one.items()
    }


INDEXED = {
    **LATENT,
    "attention.indexer.key_length": 128,
    "attention.indexer.top_k": 2048,
    "attention.indexer.head_count": 4,
}


def test_an_indexer_has_a_key_for_each_cell():
    found = named(model("deepseek32", **INDEXED), "indexer K")
    assert [(share.layers, share.bytes_each) for share in found] == [
        (tuple(range(8)), 4096 * 128 * 2)
    ]


def of_block(found, **settings):
    asked = {"ctx_size": 4096, "parallel": 1, **settings}
    return context(found, ServerSettings(**asked), role=DraftRole(nextn_runs=True)).shares


def test_a_block_of_qwen4_has_its_own_cache_and_no_states():
    states = {"inner_size": 256, "state_size": 64, "conv_kernel": 4, "group_count": 2}
    values = {f"ssm.{key}": value for key, value in states.items()}
    values |= {"attention.indexer.key_length": 64, "nextn_predict_layers": 1}
    found = of_block(model("qwen4exp", **values))
    assert {share.what.split(",")[0]: share.layers for share in found} == {
        "K": (7,),
        "V": (7,),
        "indexer K": (7,),
    }


@pytest.mark.parametrize(("unified", "cells"), [(False, 4 * 768), (True, 4 * 128 + 512)])
def test_slots_may_share_the_window_of_a_deepseek4_block(unified, cells):
    """128 of the window for each slot that shares, 512 of a micro-batch, rounded up to 256."""
    values = COMPRESSED | {"nextn_predict_layers": 1}
    found = of_block(model("deepseek4", **values), parallel=4, kv_unified=unified)
    assert [(share.layers, share.bytes_each) for share in found] == [((3,), cells * 64 * 2)] * 2

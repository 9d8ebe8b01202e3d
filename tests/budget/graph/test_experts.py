"""Experts (`build_moe_ffn`): eight, two of them for each of 512 tokens, hidden rows of 128."""

import pytest
from making_facts import described, named, nodes, shaped

VALUES = {
    "block_count": 2,
    "embedding_length": 256,
    "context_length": 4096,
    "feed_forward_length": 512,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "expert_count": 8,
    "expert_used_count": 2,
    "expert_feed_forward_length": 128,
}
ATTENTION = {
    "token_embd.weight": (256, 500),
    "output.weight": (256, 500),
    "output_norm.weight": (256,),
    "attn_norm.weight": (256,),
    "attn_q.weight": (256, 256),
    "attn_k.weight": (256, 128),
    "attn_v.weight": (256, 128),
    "attn_output.weight": (256, 256),
    "ffn_norm.weight": (256,),
}
ROUTED = {
    "ffn_gate_inp.weight": (256, 8),
    "ffn_up_exps.weight": (256, 128, 8),
    "ffn_gate_exps.weight": (256, 128, 8),
    "ffn_down_exps.weight": (128, 256, 8),
}
FUSED = {
    "ffn_gate_inp.weight": (256, 8),
    "ffn_gate_up_exps.weight": (256, 256, 8),
    "ffn_down_exps.weight": (128, 256, 8),
}
HEADS = {"attn_q_norm.weight": (64,), "attn_k_norm.weight": (64,)}


def graph(architecture="qwen3moe", routed=ROUTED, used=2, **more):
    values = {**VALUES, "expert_used_count": used, **more}
    return described(shaped(architecture, values, {**ATTENTION, **HEADS, **routed}))


def test_the_router_has_a_number_for_each_expert_and_token():
    scene = graph()
    assert named(scene, "ffn_moe_logits-0").ne == (8, 512, 1, 1)
    assert named(scene, "ffn_moe_probs-0").op == "SOFT_MAX"


@pytest.mark.parametrize("used", [1, 2, 4])
def test_hidden_rows_are_one_for_each_chosen_expert(used):
    scene = graph(used=used)
    assert named(scene, "ffn_moe_topk-0").ne == (used, 512, 1, 1)
    assert named(scene, "ffn_moe_up-0").ne == (128, used, 512, 1)
    assert named(scene, "ffn_moe_gate-0").ne == (128, used, 512, 1)
    assert named(scene, "ffn_moe_down-0").ne == (256, used, 512, 1)


def test_the_order_of_all_experts_stays_while_the_first_are_read():
    chosen = named(graph(), "ffn_moe_topk-0")
    assert chosen.root.ne == (8, 512, 1, 1)


@pytest.mark.parametrize("used", [2, 4, 8])
def test_outputs_of_experts_are_views_that_are_added_one_by_one(used):
    scene = graph(used=used)
    parts = [item for item in nodes(scene, "VIEW") if item.said == "ffn_moe_weighted-0 (view)"]
    assert len(parts) == used
    assert {item.ne for item in parts} == {(256, 512, 1, 1)}
    assert named(scene, "ffn_moe_out-0").op == "ADD"


def test_weights_are_divided_by_their_sum_which_is_kept_from_nothing():
    scene = graph()
    assert named(scene, "ffn_moe_weights_sum-0").op == "SUM_ROWS"
    assert named(scene, "ffn_moe_weights_sum_clamped-0").op == "CLAMP"
    assert named(scene, "ffn_moe_weights_norm-0").ne == (2, 512, 1, 1)


def test_gate_and_up_in_one_matrix_are_one_product():
    apart, fused = graph(), graph(routed=FUSED)
    assert len(nodes(apart, "MUL_MAT_ID")) == 2 * 3
    assert len(nodes(fused, "MUL_MAT_ID")) == 2 * 2
    assert (256, 2, 512, 1) in {item.ne for item in nodes(fused, "MUL_MAT_ID")}


def test_the_last_layer_asks_its_experts_for_outputs_alone():
    assert named(graph(), "ffn_moe_up-1").ne == (128, 2, 1, 1)

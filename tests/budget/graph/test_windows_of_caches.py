"""Caches of layers with a window: their masks, their places, and who reads whose."""

import pytest
from making_facts import described, facts, named, shaped

from llmgen.budget.graph.shared import owner
from llmgen.budget.shape.hyperparameters import hyperparameters

VALUES = {
    "block_count": 4,
    "embedding_length": 256,
    "feed_forward_length": 512,
    "context_length": 8192,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "attention.sliding_window": 1024,
}
GEMMA_2 = {
    "token_embd.weight": (256, 500),
    "output_norm.weight": (256,),
    "attn_norm.weight": (256,),
    "attn_q.weight": (256, 256),
    "attn_k.weight": (256, 128),
    "attn_v.weight": (256, 128),
    "attn_output.weight": (256, 256),
    "post_attention_norm.weight": (256,),
    "ffn_norm.weight": (256,),
    "ffn_gate.weight": (256, 512),
    "ffn_up.weight": (256, 512),
    "ffn_down.weight": (512, 256),
    "post_ffw_norm.weight": (256,),
}


def gemma(**settings):
    return described(shaped("gemma2", VALUES, GEMMA_2), **settings)


def masks(scene):
    found = (leaf for leaf in scene.b.leafs if leaf.name.startswith("attn_inp_kq_mask"))
    return sorted(mask.ne[0] for mask in found)


def test_each_kind_of_cache_has_a_mask_as_wide_as_its_cells():
    assert masks(gemma()) == [1024 + 512, 4096]
    assert masks(gemma(swa_full=True)) == [4096, 4096]
    assert masks(gemma(ubatch_size=256)) == [1024 + 256, 4096]


def test_layers_take_turns():
    scene = gemma()
    cells = [named(scene, f"cache_k_l{layer}").ne[1] for layer in range(4)]
    assert cells == [1536, 4096, 1536, 4096]


def test_slots_that_share_a_cache_have_a_window_each():
    scene = gemma(parallel=2, kv_unified=True)
    assert named(scene, "cache_k_l0").ne == (128, 2 * 1024 + 512, 1, 1)
    apart = gemma(parallel=2, ctx_size=8192)
    assert named(apart, "cache_k_l0").ne == (128, 1024 + 512, 2, 1)


def test_what_attention_adds_is_normed_first():
    scene = gemma()
    assert named(scene, "attn_post_norm-0").ne == (256, 512, 1, 1)


@pytest.mark.parametrize(("shared", "layer", "read"), [(3, 2, 2), (3, 3, 1), (3, 5, 2), (0, 5, 5)])
def test_a_layer_without_a_cache_reads_the_last_one_of_its_kind(shared, layer, read):
    """Gemma 4's `reuse`: the last owner is full, the one before has a window."""
    values = {
        **VALUES,
        "block_count": 6,
        "attention.shared_kv_layers": shared,
        "attention.sliding_window_pattern": [True, True, False, True, True, False],
    }
    assert owner(hyperparameters(facts("gemma4", values)), layer) == read

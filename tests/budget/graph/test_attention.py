"""Attention of a plain decoder (`build_attn_mha`): 4 heads of 64, 2 of K and V, 512 tokens, 4096 cells."""

import making
import pytest
from making_facts import described, inputs, named, nodes

LLAMA = making.facts(layers=2)


def test_flash_attention_is_one_operation_and_keeps_no_scores():
    scene = described(LLAMA)
    (found,) = nodes(scene, "FLASH_ATTN_EXT", 0)
    assert found.ne == (64, 4, 512, 1)
    assert not nodes(scene, "SOFT_MAX")


def test_scores_are_a_number_for_each_cell_token_and_head():
    scene = described(LLAMA, flash_attn="off")
    assert named(scene, "kq-0").ne == (4096, 512, 4, 1)
    assert named(scene, "kq_soft_max-0").ne == (4096, 512, 4, 1)
    assert named(scene, "kqv-0").ne == (64, 512, 4, 1)


def test_heads_are_put_together_by_a_copy_where_scores_are_made():
    assert named(described(LLAMA, flash_attn="off"), "kqv_out-0").op == "CONT"
    assert named(described(LLAMA), "kqv_out-0").op == "RESHAPE"


@pytest.mark.parametrize(("flash", "kind"), [("on", "f16"), ("off", "f32")])
def test_the_mask_has_the_type_that_its_reader_takes(flash, kind):
    mask = inputs(described(LLAMA, flash_attn=flash))["attn_inp_kq_mask"]
    assert (mask.kind, mask.ne) == (kind, (4096, 512, 1, 1))


def test_slots_of_their_own_have_a_plane_of_the_mask_each():
    scene = described(LLAMA, parallel=4, ctx_size=16384)
    assert inputs(scene)["attn_inp_kq_mask"].ne == (4096, 128, 1, 4)
    assert nodes(scene, "FLASH_ATTN_EXT", 0)[0].ne == (64, 4, 128, 4)


def test_slots_that_share_have_one_plane():
    scene = described(LLAMA, parallel=4, kv_unified=True)
    assert inputs(scene)["attn_inp_kq_mask"].ne == (4096, 512, 1, 1)


def test_v_is_written_element_by_element_where_it_lies_in_columns():
    """Without flash attention V is transposed: 512 tokens of 128 elements each have a place."""
    assert inputs(described(LLAMA, flash_attn="off"))["attn_inp_v_idxs"].ne[0] == 512 * 128
    assert inputs(described(LLAMA))["attn_inp_v_idxs"].ne[0] == 512


def test_columns_of_v_are_read_without_a_copy():
    scene = described(LLAMA, flash_attn="off")
    view = next(item for item in nodes(scene, "VIEW") if item.said == "cache_v_l0 (view)")
    assert view.ne == (4096, 2, 64, 1)
    assert view.nb == (2, 4096 * 64 * 2, 4096 * 2, 4096 * 128 * 2)


def test_heads_of_k_are_strided_within_a_row():
    scene = described(LLAMA)
    view = next(item for item in nodes(scene, "VIEW") if item.said == "cache_k_l1 (view)")
    assert view.ne == (64, 2, 4096, 1)
    assert view.nb == (2, 128, 256, 256 * 4096)


def test_q_and_k_are_rotated_and_v_is_not():
    scene = described(LLAMA)
    assert [item.name for item in nodes(scene, "ROPE", 0)] == ["Qcur", "Kcur"]
    assert named(scene, "Vcur-0").op == "RESHAPE"


@pytest.mark.parametrize("kind", ["q8_0", "q4_0"])
def test_rows_of_a_quantised_cache_are_rotated_by_a_matrix_of_their_own_type(kind):
    both = inputs(described(LLAMA, cache_type_k=kind, cache_type_v=kind))
    assert both["attn_inp_k_rot"].ne == both["attn_inp_v_rot"].ne == (64, 64, 1, 1)
    keys = inputs(described(LLAMA, cache_type_k=kind))
    assert "attn_inp_k_rot" in keys
    assert "attn_inp_v_rot" not in keys
    values = inputs(described(LLAMA, cache_type_v=kind))
    assert "attn_inp_k_rot" not in values
    assert "attn_inp_v_rot" in values


def test_keys_take_the_largest_block_and_values_the_smallest():
    model = making.facts(layers=2, heads=2, heads_kv=2)
    found = inputs(described(model, cache_type_k="q8_0", cache_type_v="q8_0"))
    assert found["attn_inp_k_rot"].ne == (128, 128, 1, 1)
    assert found["attn_inp_v_rot"].ne == (64, 64, 1, 1)


def test_heads_that_no_block_divides_are_not_rotated():
    model = making.facts(layers=2, heads=8, heads_kv=8)
    assert "attn_inp_k_rot" not in inputs(described(model, cache_type_k="q8_0"))


def test_the_result_of_a_rotated_v_is_rotated_back():
    turned = described(LLAMA, cache_type_v="q8_0")
    plain = described(LLAMA)
    extra = len(nodes(turned, "MUL_MAT")) - len(nodes(plain, "MUL_MAT"))
    assert extra == 2 * len(turned.layers)


def test_a_cache_on_the_host_is_written_and_read_there():
    scene = described(LLAMA, kv_offload=False)
    cache = named(scene, "cache_k_l0")
    assert (cache.home, scene.host) == (1, 1)
    assert named(described(LLAMA), "cache_k_l0").home == 0


def test_only_the_last_layer_goes_on_with_rows_of_outputs():
    scene = described(LLAMA, parallel=2, kv_unified=True)
    assert named(scene, "l_out-0").ne == (256, 512, 1, 1)
    assert named(scene, "l_out-1").ne == (256, 2, 1, 1)
    assert inputs(scene)["out_ids"].ne[0] == 2

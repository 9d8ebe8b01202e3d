"""Recurrent layers (`build_rs`, `build_mamba_layer`): a state space of 512 by 16, four taps."""

import pytest
from making_facts import described, inputs, named, nodes, shaped

VALUES = {
    "block_count": 2,
    "embedding_length": 256,
    "context_length": 4096,
    "ssm.conv_kernel": 4,
    "ssm.inner_size": 512,
    "ssm.state_size": 16,
    "ssm.time_step_rank": 16,
    "attention.head_count": 0,
}
MAMBA = {
    "token_embd.weight": (256, 500),
    "output_norm.weight": (256,),
    "attn_norm.weight": (256,),
    "ssm_in.weight": (256, 1024),
    "ssm_conv1d.weight": (4, 512),
    "ssm_conv1d.bias": (512,),
    "ssm_x.weight": (512, 48),
    "ssm_dt.weight": (16, 512),
    "ssm_dt.bias": (512,),
    "ssm_a": (16, 512),
    "ssm_d": (512,),
    "ssm_out.weight": (512, 256),
}


def mamba(build=11434, **settings):
    return described(shaped("mamba", VALUES, MAMBA), build, **settings)


def test_rows_of_the_cache_are_the_convolution_and_the_state():
    scene = mamba()
    assert named(scene, "cache_r_l0").ne == (3 * 512, 1, 1, 1)
    assert named(scene, "cache_s_l0").ne == (16 * 512, 1, 1, 1)


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_each_slot_has_a_row(slots):
    scene = mamba(parallel=slots)
    assert named(scene, "cache_s_l0").ne == (16 * 512, slots, 1, 1)
    assert inputs(scene)["rs_s_copy"].ne[0] == slots


def test_the_columns_of_the_batch_before_stand_in_front():
    scene = mamba()
    assert {item.ne for item in nodes(scene, "CONCAT")} == {(3 + 512, 512, 1, 1)}
    assert {item.ne for item in nodes(scene, "SSM_CONV")} == {(512, 512, 1, 1)}


def test_tokens_are_divided_among_the_slots():
    scene = mamba(parallel=4)
    assert {item.ne for item in nodes(scene, "CONCAT")} == {(3 + 128, 512, 4, 1)}
    assert {item.ne for item in nodes(scene, "SSM_CONV")} == {(512, 128, 4, 1)}


@pytest.mark.parametrize("slots", [1, 2])
def test_a_scan_gives_all_tokens_and_behind_them_the_states(slots):
    """`ggml_ssm_scan`: `nelements(x) + K * d_state * d_inner * n_seqs`."""
    (found, *_) = nodes(mamba(parallel=slots), "SSM_SCAN")
    assert found.ne[0] == 512 * 512 + slots * 16 * 512


def test_the_first_row_is_cleared_in_place():
    scene = mamba()
    cleared = [item for item in nodes(scene, "SCALE") if item.root is not None]
    assert {item.root.name for item in cleared} >= {"cache_r_l0", "cache_s_l0", "cache_r_l1"}


def test_states_need_no_cells_and_no_mask():
    assert "attn_inp_kq_mask" not in inputs(mamba())


def test_other_slots_rows_are_none_where_all_slots_are_reserved():
    left = [item for item in nodes(mamba(), "GET_ROWS") if item.ne[1] == 0]
    assert left
    assert all(item.bytes == 0 for item in left)

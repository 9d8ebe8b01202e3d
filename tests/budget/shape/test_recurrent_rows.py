"""Recurrent state: which layers have it, and its width (`n_embd_r`, `n_embd_s` in llama-hparams.cpp)."""

from making_facts import facts

from llmgen.budget.shape.hyperparameters import hyperparameters

SMALL = {"block_count": 8, "embedding_length": 256, "context_length": 8192}
HEADS = {"attention.head_count": 4, "attention.head_count_kv": 2}
SPACE = {"ssm.conv_kernel": 4, "ssm.inner_size": 512, "ssm.state_size": 16}


def shape(architecture, **values):
    return hyperparameters(facts(architecture, {**SMALL, **values}))


def test_every_layer_of_mamba_has_three_columns_and_a_state():
    found = shape("mamba", **{**SPACE, "attention.head_count": 0})
    assert found.recurrent == (True,) * 8
    assert (found.rows.convolution, found.rows.state) == (3 * 512, 16 * 512)


def test_groups_widen_the_convolution_of_mamba_2():
    """`(d_conv - 1) * (d_inner + 2 * n_group * d_state)`."""
    found = shape("mamba2", **{**SPACE, "ssm.group_count": 2, "attention.head_count": 0})
    assert (found.rows.convolution, found.rows.state) == (3 * (512 + 2 * 2 * 16), 16 * 512)


def test_rwkv_keeps_two_shifted_tokens_and_a_matrix_for_each_head():
    """`token_shift_count * n_embd` and `n_embd * wkv_head_size`."""
    values = {"wkv.head_size": 64, "attention.head_count": 0, "token_shift_count": 2}
    found = shape("rwkv6", **values)
    assert (found.rows.convolution, found.rows.state) == (2 * 256, 256 * 64)


def test_layers_of_jamba_without_kv_heads_are_recurrent():
    heads = [0, 0, 0, 2, 0, 0, 0, 2]
    values = {**SPACE, "attention.head_count": 4, "attention.head_count_kv": heads}
    found = shape("jamba", **values)
    assert found.recurrent == tuple(count == 0 for count in heads)
    assert [found.attends(layer) for layer in range(8)] == [count > 0 for count in heads]


def test_layers_of_nemotron_with_feed_forward_alone_have_neither():
    heads, feed = [0, 0, 2, 0], [0, 512, 0, 0]
    values = {
        **SPACE,
        "block_count": 4,
        "attention.head_count": 4,
        "attention.head_count_kv": heads,
        "feed_forward_length": feed,
    }
    found = shape("nemotron_h", **values)
    assert found.recurrent == (True, False, False, True)
    assert [found.attends(layer) for layer in range(4)] == [False, False, True, False]


def test_each_fourth_layer_of_qwen_3_next_attends():
    found = shape("qwen3next", **HEADS, **SPACE, **{"ssm.group_count": 2})
    assert found.recurrent == (True, True, True, False) * 2


def test_the_header_says_how_many_layers_are_between():
    found = shape("qwen3next", **HEADS, **SPACE, full_attention_interval=2)
    assert found.recurrent == (True, False) * 4


def test_a_short_convolution_keeps_all_but_one_of_its_columns():
    found = shape("lfm2", **{"attention.head_count": 4, "shortconv.l_cache": 3,
                             "attention.head_count_kv": [0, 0, 2, 0, 0, 2, 0, 0]})  # fmt: skip
    assert (found.rows.convolution, found.rows.state) == (2 * 256, 0)


def test_plain_attention_keeps_nothing():
    found = shape("llama", **HEADS)
    assert set(found.recurrent) == {False}
    assert found.rows.of(0) == 0

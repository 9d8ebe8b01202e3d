"""Tensors of a model as a graph finds them."""

import pytest
from making_facts import group

from llmgen.budget.graph.tensor import WEIGHT
from llmgen.budget.graph.weights import OUTPUT_LAYER, Matrices, Undescribed
from llmgen.facts.gguf_facts import TensorGroup

EMBEDDING = TensorGroup("token_embd.weight", "q8_0", (256, 500), (), 136_000)
QUERIES = TensorGroup("blk.#.attn_q.weight", "f16", (256, 128), (0, 1, 2), 65_536)
LATER = TensorGroup("blk.#.attn_q.weight", "q8_0", (256, 256), (3,), 69_632)


def matrices(*groups, implied=None, unread=()):
    return Matrices(
        groups, lambda _group, layer: 7 if layer == OUTPUT_LAYER else 1, implied, unread
    )


def test_a_tensor_of_a_layer_has_its_number_in_its_name():
    found = matrices(QUERIES).get("attn_q.weight", 2)
    assert (found.name, found.ne, found.kind) == ("blk.2.attn_q.weight", (256, 128, 1, 1), "f16")
    assert (found.flags, found.home, found.bytes) == (WEIGHT, 1, 65_536)


def test_layers_may_have_another_type_and_shape():
    both = matrices(QUERIES, LATER)
    assert both.get("attn_q.weight", 3).ne == (256, 256, 1, 1)
    assert both.get("attn_q.weight", 3).kind == "q8_0"
    assert both.get("attn_q.weight", 4) is None


def test_one_that_is_asked_for_twice_is_the_same():
    found = matrices(QUERIES)
    assert found.get("attn_q.weight", 0) is found.get("attn_q.weight", 0)


def test_what_is_not_read_is_not_there():
    assert matrices(QUERIES, unread=("attn_q.weight",)).get("attn_q.weight", 0) is None


def test_the_output_may_be_the_embedding_once_more_where_logits_are_made():
    found = matrices(EMBEDDING)
    assert found.output() is not found.get("token_embd.weight")
    assert (found.output().ne, found.output().home) == ((256, 500, 1, 1), 7)


def test_without_either_there_is_no_graph():
    with pytest.raises(Undescribed, match=r"output\.weight"):
        matrices(QUERIES).output()


def test_blocks_may_be_read_by_other_layers_but_scales_are_their_own():
    scales = TensorGroup("blk.#.attn_q.scale", "f32", (1,), (0, 1, 2), 4)
    found = matrices(QUERIES, scales)
    found.blocks = {5: 1}
    assert found.get("attn_q.weight", 5).name == "blk.1.attn_q.weight"
    assert found.get("attn_q.scale", 5) is None


def test_a_stack_has_its_own_blocks():
    found = matrices(group("enc.blk.#.attn_q.weight", 64, 2), QUERIES)
    found.stack = "enc."
    assert found.get("attn_q.weight", 0).name == "enc.blk.0.attn_q.weight"


def test_what_is_missing_may_be_implied_but_no_output_and_no_gate():
    def implied(_name, _layer):
        return (256, 512)

    up = TensorGroup("blk.#.ffn_up.weight", "f16", (256, 512), (0, 1), 262_144)
    found = matrices(up, EMBEDDING, implied=implied)
    assert found.get("ffn_down.weight", 0).ne == (256, 512, 1, 1)
    assert found.get("ffn_gate.weight", 0) is None
    assert found.output().name == "token_embd.weight"


def test_factors_of_a_rotation_are_there_for_each_device():
    factors = TensorGroup("rope_freqs.weight", "f32", (32,), (), 128)
    found = matrices(factors)
    assert [found.each("rope_freqs.weight", home).home for home in (0, 2)] == [0, 2]
    assert found.each("rope_factors.weight", 0) is None

"""The end of a graph: logits, and rows that are pooled (`build_pooling`)."""

import making
import pytest
from making_facts import described, inputs, named, shaped
from msgspec.structs import replace

from llmgen.budget.graph.tensor import OUTPUT

LLAMA = making.facts(layers=2)
BERT_VALUES = {
    "block_count": 2,
    "embedding_length": 256,
    "context_length": 512,
    "feed_forward_length": 512,
    "attention.head_count": 4,
    "attention.causal": False,
}
BERT = {
    "token_embd.weight": (256, 500),
    "token_types.weight": (256, 2),
    "position_embd.weight": (256, 512),
    "token_embd_norm.weight": (256,),
    "attn_q.weight": (256, 256),
    "attn_k.weight": (256, 256),
    "attn_v.weight": (256, 256),
    "attn_output.weight": (256, 256),
    "attn_output_norm.weight": (256,),
    "ffn_up.weight": (256, 512),
    "ffn_down.weight": (512, 256),
    "layer_output_norm.weight": (256,),
}


def bert(parallel=1, how="mean", **more):
    model = shaped("bert", BERT_VALUES, {**BERT, **more})
    return described(model, ctx_size=512 * parallel, parallel=parallel, embedding=True, pooling=how)


def test_logits_are_a_row_of_the_vocabulary_for_each_output():
    scene = described(LLAMA, parallel=3, kv_unified=True)
    logits = named(scene, "result_output")
    assert logits.ne == (1000, 3, 1, 1)
    assert logits.flags & OUTPUT


def test_without_an_output_matrix_the_embedding_makes_them():
    tensors = tuple(item for item in LLAMA.tensors if item.pattern != "output.weight")
    scene = described(replace(LLAMA, tensors=tensors))
    matrix = named(scene, "result_output").sources[0]
    assert (matrix.name, matrix.ne) == ("token_embd.weight", (256, 1000, 1, 1))
    assert matrix.home == 0


def test_a_mean_is_a_product_with_shares_of_all_tokens():
    scene = bert()
    assert inputs(scene)["mean"].ne == (512, 1, 1, 1)
    pooled = named(scene, "result_embd_pooled")
    assert (pooled.op, pooled.ne) == ("MUL_MAT", (256, 1, 1, 1))


def test_there_is_one_for_each_slot():
    scene = bert(parallel=4)
    assert inputs(scene)["mean"].ne == (512, 4, 1, 1)
    assert named(scene, "result_embd_pooled").ne == (256, 4, 1, 1)


@pytest.mark.parametrize("how", ["cls", "last"])
def test_one_row_of_a_slot_is_looked_up(how):
    scene = bert(how=how)
    assert "mean" not in inputs(scene)
    pooled = named(scene, "result_embd_pooled")
    assert (pooled.op, pooled.ne) == ("GET_ROWS", (256, 1, 1, 1))


def test_a_classifier_stands_behind_a_rank():
    scene = bert(how="rank", **{
        "cls.weight": (256, 256), "cls.bias": (256,),
        "cls.output.weight": (256, 1), "cls.output.bias": (1,),
    })  # fmt: skip
    pooled = named(scene, "result_embd_pooled")
    assert (pooled.op, pooled.ne) == ("ADD", (1, 1, 1, 1))


def test_a_rank_without_a_classifier_is_the_row_itself():
    assert named(bert(how="rank"), "result_embd_pooled").ne == (256, 1, 1, 1)


def test_rows_of_an_encoder_read_one_another_within_the_micro_batch_alone():
    scene = bert()
    assert inputs(scene)["self_kq_mask"].ne == (512, 512, 1, 1)
    assert "attn_inp_kq_mask" not in inputs(scene)


def test_an_encoder_has_no_logits():
    assert not [item for item in bert().b.nodes if item.said == "result_output"]

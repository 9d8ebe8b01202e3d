"""Drafts of whole blocks (dflash.cpp): 2 layers of 4 heads, 512 tokens, 4096 cells, 1000 words."""

from math import prod

import making
import pytest
from making_facts import described, inputs, named, nodes
from msgspec.structs import replace

from llmgen.budget.compute.buffers import compute_buffers
from llmgen.budget.context import context
from llmgen.budget.estimate import estimate
from llmgen.budget.graph.tensor import OUTPUT
from llmgen.budget.settings import DraftSettings, ServerSettings
from llmgen.facts.gguf_facts import TensorGroup

WIDTHS = {"f32": 4, "f16": 2, "i64": 8}
LENT = ("token_embd.weight", "output.weight")


def group(pattern, shape, kind=""):
    kind = kind or ("f16" if len(shape) > 1 else "f32")
    layers = (0, 1) if pattern.startswith("blk.") else ()
    return TensorGroup(pattern, kind, shape, layers, prod(shape) * WIDTHS[kind])


def draft(*more, without=(), **values):
    plain = making.facts(architecture="dflash", layers=2)
    norms = [group(f"blk.#.attn_{part}_norm.weight", (64,)) for part in "qk"]
    every = {item.pattern: item for item in (*plain.tensors, *norms, *more)}
    kept = tuple(item for name, item in every.items() if name not in without)
    return replace(plain, tensors=kept, hyperparameters={**plain.hyperparameters, **values})


def layer(part, *shape):
    return group(f"blk.#.{part}.weight", shape)


MARKOV = (group("markov_w1.weight", (32, 1000)), group("markov_w2.weight", (32, 1000)))
SURE = group("conf_proj.weight", (256 + 32, 1))
SELECTOR = {
    "block_size": 16,
    "conv_kernel_size": 4,
    "conv_group_size": 64,
    "selector_rank": 16,
    "selector_top_k": 8,
}
SECOND = (
    group("selector_predecessor.weight", (16, 1000)),
    group("selector_successor.weight", (16, 1000)),
    group("selector_hidden.weight", (256, 16)),
    *(layer(f"{part}_conv_proj", 256, 2 * 4 * 4) for part in ("attn", "ffn")),
    *(group(f"blk.#.{part}_conv_base", (256, 4, 2), "f32") for part in ("attn", "ffn")),
)


def test_every_token_has_logits():
    scene = described(draft())
    assert named(scene, "result_output").ne == (1000, 512, 1, 1)
    assert named(scene, "result_norm").flags & OUTPUT


def test_what_a_draft_lacks_of_a_vocabulary_is_the_other_models():
    own, lent = described(draft()), described(draft(without=LENT))
    assert [item.op for item in own.b.nodes] == [item.op for item in lent.b.nodes]
    assert named(lent, "output.weight").ne == named(own, "output.weight").ne
    assert named(lent, "token_embd.weight").home == lent.host


def test_a_lent_output_is_on_the_last_device_as_the_other_models_is():
    scene = described(draft(without=LENT), devices=("gpu0", "gpu1"))
    assert scene.homes[0] == 0
    assert named(scene, "output.weight").home == 1


def test_logits_of_a_smaller_vocabulary_are_spread_over_the_whole_one():
    few = (group("output.weight", (256, 250)), group("d2t", (250,), "i64"))
    scene = described(draft(*few))
    (spread,) = (item for item in nodes(scene, "SET_ROWS") if item.ne[1] == 1000)
    assert spread.sources[0].ne == (1, 250, 512, 1)
    assert named(scene, "result_output").ne == (1000, 512, 1, 1)


def test_values_without_a_matrix_are_keys_without_weight_and_rotation():
    one, two = described(draft(without=("blk.#.attn_v.weight",))), described(draft())
    assert len(nodes(two, "MUL_MAT")) - len(nodes(one, "MUL_MAT")) == 2
    assert len(nodes(one, "RMS_NORM")) - len(nodes(two, "RMS_NORM")) == 2
    assert named(one, "Vcur-0").op == "RMS_NORM"


def test_norms_and_scales_that_a_file_has_are_read():
    some = (
        layer("post_attention_norm", 256),
        layer("post_ffw_norm", 256),
        layer("layer_output_scale", 1),
    )
    scene = described(draft(*some, embedding_scale=2.0, **{"attention.value_scale": 0.5}))
    assert named(scene, "inp_noise_embd").op == "SCALE"
    assert named(scene, "attn_out_scaled-1").op == "SCALE"
    assert named(scene, "attn_post_norm-1").op == named(scene, "ffn_post_norm-1").op == "MUL"
    assert named(scene, "l_out-1").op == "MUL"
    assert named(described(draft()), "l_out-1").op == "ADD"


def test_layers_with_a_window_have_a_cache_of_their_own():
    pattern = {"attention.sliding_window": 128, "attention.sliding_window_pattern": (True, False)}
    scene = described(draft(**pattern))
    assert [item.sources[1].ne[1] for item in nodes(scene, "FLASH_ATTN_EXT")] == [768, 4096]


@pytest.mark.parametrize(("sections", "numbers"), [((), 1), ((32, 0, 0, 0), 4)])
def test_any_section_of_the_rotation_makes_four_positions_of_each_token(sections, numbers):
    scene = described(draft(**{"rope.dimension_sections": sections}))
    assert inputs(scene)["inp_pos"].ne[0] == 512 * numbers


def test_factors_are_not_read_where_the_rotation_has_sections():
    factors = group("rope_freqs.weight", (32,))
    plain = described(draft(factors))
    turned = described(draft(factors, **{"rope.dimension_sections": (32, 0, 0, 0)}))
    assert [len(item.sources) for item in nodes(plain, "ROPE")] == [3] * 4
    assert [len(item.sources) for item in nodes(turned, "ROPE")] == [2] * 4


def test_a_markov_head_is_reserved_for_blocks_as_long_as_trained_ones():
    long = described(draft(*MARKOV, block_size=16))
    assert not nodes(long, "ARGMAX")
    scene = described(draft(*MARKOV, block_size=16), ubatch_size=32, parallel=4)
    assert len(nodes(scene, "ARGMAX")) == 8 - 1
    assert scene.results["logits"].ne == (1000, 32, 1, 1)
    assert not named(scene, "result_output").flags & OUTPUT


def test_a_token_that_is_no_draft_keeps_its_logits():
    bonus = draft(*MARKOV, block_size=16, sample_from_anchor=False)
    scene = described(bonus, ubatch_size=32, parallel=4)
    assert len(nodes(scene, "ARGMAX")) == 7 - 1


def test_how_sure_it_is_takes_the_place_of_the_hidden_rows():
    scene = described(draft(*MARKOV, SURE, block_size=16), ubatch_size=32, parallel=4)
    assert scene.results["h_nextn"].ne == (256, 32, 1, 1)
    assert scene.results["h_nextn"].op == "REPEAT"


def test_dflash2_hands_over_the_best_tokens_and_how_they_follow():
    scene = described(draft(*SECOND, **SELECTOR), parallel=2, ctx_size=8192)
    assert named(scene, "dflash2_lattice").ne == (256, 16 * 2, 1, 1)
    assert nodes(scene, "TOP_K")[0].ne == (8, 512, 1, 1)
    # Three of four taps read earlier places, in front of and behind both parts of both layers.
    earlier = [item for item in nodes(scene, "PAD") if item.ne == (256, 256, 2, 1)]
    assert len(earlier) == 3 * 2 * 2 * 2


def test_logits_are_bent_where_the_best_are_chosen():
    caps = {"logit_scale": 0.5, "final_logit_softcapping": 30.0}
    plain, bent = (described(draft(*SECOND, **SELECTOR, **more)) for more in ({}, caps))
    assert len(nodes(bent, "SCALE")) - len(nodes(plain, "SCALE")) == 3
    assert len(nodes(described(draft(**caps)), "SCALE")) == 0


@pytest.mark.parametrize("more", [{}, {"hyper_connection.count": 4}])
def test_a_draft_with_several_streams_is_guessed(more):
    streams = {"attention.sliding_window": 128, **more} if more else {}
    settings = ServerSettings(ctx_size=4096, parallel=1)
    made = compute_buffers(context(draft(**streams), settings, 11434).ground)
    assert made.guessed is bool(more)


def test_a_warning_names_the_model_whose_graph_is_guessed():
    asked = ServerSettings(
        ctx_size=4096, parallel=1, draft=DraftSettings(spec_type="draft-dspark", n_max=3)
    )
    streams = draft(**{"attention.sliding_window": 128, "hyper_connection.count": 4})
    warned = (f"the graph of `{streams.architecture}` is not known exactly in b11434",)
    for model, expected in ((draft(), ()), (streams, warned)):
        made = estimate(making.facts(layers=2), asked, 11434, draft=model)
        assert tuple(text.partition(":")[0] for text in made.warnings) == expected

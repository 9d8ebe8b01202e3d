"""Nextn blocks: where they take rows of outputs, what they read, and who has none."""

import pytest
from making_facts import named, nodes, shaped
from oracle.draws import DRAFTING

from llmgen.budget.compute.ground import describe_scene, layers_of, scene_of
from llmgen.budget.drafting import contexts
from llmgen.budget.estimate import estimate
from llmgen.budget.graph.general import is_described
from llmgen.budget.graph.recipes import RECIPES
from llmgen.budget.memory import HOST
from llmgen.budget.settings import DraftSettings, ServerSettings, SettingRefused

WIDTH, WORDS, TOKENS, SLOTS = 128, 500, 64, 2
SETTINGS = ServerSettings(
    ctx_size=1024,
    ubatch_size=TOKENS,
    parallel=SLOTS,
    devices=("gpu0",),
    draft=DraftSettings("draft-mtp"),
)
VALUES = {
    "block_count": 3,
    "nextn_predict_layers": 1,
    "context_length": 1024,
    "embedding_length": WIDTH,
    "feed_forward_length": 256,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "attention.key_length": 32,
    "attention.value_length": 32,
    "attention.layer_norm_rms_epsilon": 1e-6,
    "expert_count": 4,
    "expert_used_count": 2,
    "rope.dimension_count": 32,
}
WINDOWS = {"attention.sliding_window": 64, "attention.sliding_window_pattern": (True, False, True)}
LATENT = {
    "attention.kv_lora_rank": 64,
    "attention.q_lora_rank": 64,
    "attention.head_count_kv": 1,
    "attention.key_length": 96,
    "attention.value_length": 64,
    "attention.key_length_mla": 64,
    "attention.value_length_mla": 32,
}
BASIC = {
    "token_embd.weight": (WIDTH, WORDS),
    "output.weight": (WIDTH, WORDS),
    "output_norm.weight": (WIDTH,),
    "attn_norm.weight": (WIDTH,),
    "attn_output.weight": (WIDTH, WIDTH),
    "ffn_norm.weight": (WIDTH,),
    "post_attention_norm.weight": (WIDTH,),
    "ffn_gate_inp.weight": (WIDTH, 4),
    "ffn_up_exps.weight": (WIDTH, 64, 4),
    "ffn_gate_exps.weight": (WIDTH, 64, 4),
    "ffn_down_exps.weight": (64, WIDTH, 4),
    "nextn.eh_proj.weight": (2 * WIDTH, WIDTH),
    "nextn.enorm.weight": (WIDTH,),
    "nextn.hnorm.weight": (WIDTH,),
}
PLAIN_HEADS = {
    "attn_q.weight": (WIDTH, WIDTH),
    "attn_k.weight": (WIDTH, 64),
    "attn_v.weight": (WIDTH, 64),
}
LATENT_HEADS = {
    "attn_q_a.weight": (WIDTH, 64),
    "attn_q_a_norm.weight": (64,),
    "attn_q_b.weight": (64, 4 * 64),
    "attn_kv_a_mqa.weight": (WIDTH, 96),
    "attn_kv_a_norm.weight": (64,),
    "attn_k_b.weight": (32, 64, 4),
    "attn_v_b.weight": (64, 32, 4),
}


def model(name, more=None, shapes=None, heads=None):
    values, found = VALUES | (more or {}), BASIC | (heads or PLAIN_HEADS) | (shapes or {})
    return shaped(name, values, found)


def block(facts):
    _, draft = contexts(facts, SETTINGS, 11434, None)
    ground = draft.ground
    scene = scene_of(ground, (*ground.placement.devices, HOST), layers_of(ground))
    describe_scene(scene, ground.recipe)
    return scene


def test_the_architectures_with_a_graph_of_a_block_are_those_that_are_drawn():
    assert {name for name, recipe in RECIPES.items() if recipe.block} == DRAFTING


@pytest.mark.parametrize(
    ("name", "more", "rows"),
    [
        ("glm4moe", {}, TOKENS),
        ("hy_v3", {}, TOKENS),
        ("cohere2moe", WINDOWS | {"logit_scale": 0.5}, TOKENS),
        ("step35", WINDOWS, SLOTS),
        ("nemotron_h_moe", {"feed_forward_length": (0, 256, 0)}, SLOTS),
    ],
)
def test_the_next_draft_reads_every_row_or_those_of_outputs(name, more, rows):
    scene = block(model(name, more))
    assert named(scene, "h_nextn").ne[:2] == (WIDTH, rows)
    assert scene.results["logits"].ne[:2] == (WORDS, SLOTS)


def test_step35_hands_its_row_on_in_front_of_the_norm():
    row = named(block(model("step35", WINDOWS)), "h_nextn")
    assert row.op == "GET_ROWS"
    assert named(block(model("glm4moe")), "h_nextn").op == "MUL"


def test_nemotron_feeds_rows_of_outputs_alone():
    scene = block(model("nemotron_h_moe", {"feed_forward_length": (0, 256, 0)}))
    assert {node.ne[2] for node in nodes(scene, "MUL_MAT_ID")} == {SLOTS}
    assert not nodes(scene, "ROPE")


def test_cohere_rotates_and_scales_its_logits_in_a_block():
    scene = block(model("cohere2moe", WINDOWS | {"logit_scale": 0.5}))
    assert nodes(scene, "ROPE")
    assert scene.results["logits"].op == "SCALE"


@pytest.mark.parametrize("name", ["deepseek2", "deepseek32", "glm-dsa"])
def test_latent_blocks_read_every_token(name):
    more = LATENT | {
        f"attention.indexer.{key}": 64 for key in ("head_count", "key_length", "top_k")
    }
    scene = block(model(name, more, heads=LATENT_HEADS))
    read = {source.name for node in nodes(scene, "MUL_MAT") for source in node.sources}
    assert {"blk.2.attn_k_b.weight", "blk.2.attn_v_b.weight"} <= read
    assert not nodes(scene, "LIGHTNING_INDEXER")
    assert named(scene, "h_nextn").ne[1] == TOKENS


def test_a_norm_of_its_own_is_behind_the_block():
    own = block(model("mimo2", WINDOWS, {"layer_output_norm.weight": (WIDTH,)}))
    assert "blk.2.layer_output_norm.weight" in {leaf.name for leaf in own.b.leafs}
    shared = block(model("mimo2", WINDOWS))
    assert "output_norm.weight" in {leaf.name for leaf in shared.b.leafs}


def test_blocks_without_a_graph_are_refused():
    with pytest.raises(SettingRefused) as refused:
        estimate(model("exaone-moe", WINDOWS), SETTINGS, 11434)
    assert refused.value.key == "draft"
    assert estimate(model("exaone-moe", WINDOWS), SETTINGS, 11739).warnings


def test_a_block_is_known_at_the_builds_that_were_asked():
    assert is_described("deepseek2", 11739)
    assert not is_described("deepseek2", 11739, drafts=True)
    assert is_described("deepseek2", 11434, drafts=True)
    assert is_described("qwen35", 11739, drafts=True)
    facts = model("deepseek2", LATENT, heads=LATENT_HEADS)
    known, other = (estimate(facts, SETTINGS, build) for build in (11434, 11739))
    assert not known.warnings
    assert "not known exactly" in other.warnings[0]
    assert other.margin["gpu0"] > known.margin["gpu0"]

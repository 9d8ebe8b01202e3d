"""Several contexts of one server: a draft model follows the main one, an MTP head is a part of it."""

import making
import pytest
from msgspec.structs import replace

from llmgen.budget.drafting import contexts
from llmgen.budget.settings import DraftSettings, ServerSettings

MAIN, DRAFT = making.facts(layers=6), making.facts(layers=2, embedding=128, context=2048)
SETTINGS = ServerSettings(
    ctx_size=8192,
    parallel=1,
    cache_type_k="q8_0",
    override_tensor=(("ffn", "CPU"),),
    n_cpu_moe=3,
    draft=DraftSettings(spec_type="draft-simple"),
)


def both(**settings):
    return [*contexts(MAIN, replace(SETTINGS, **settings), 11434, DRAFT)]


def test_a_draft_has_the_context_of_the_main_model():
    main, draft = both()
    assert (main.counts.context, draft.counts.context) == (8192, 8192)
    _, trained = both(ctx_size=0)
    assert trained.counts.context == main.model.header.needed("context_length")


def test_its_cache_types_and_devices_are_its_own():
    _, draft = both()
    assert draft.ground.setting.type_k == "f16"
    asked = DraftSettings(spec_type="draft-simple", cache_type_k="q4_0", devices=("gpu1",))
    _, draft = contexts(MAIN, replace(SETTINGS, draft=asked), 11434, DRAFT)
    assert draft.ground.setting.type_k == "q4_0"
    assert draft.placement.devices == ("gpu1",)


def test_what_is_moved_of_the_main_model_is_not_of_the_draft():
    main, draft = both()
    assert main.ground.moved
    assert not draft.ground.moved


def test_layers_of_the_draft_may_stay_on_the_host():
    asked = DraftSettings(spec_type="draft-simple", n_gpu_layers=0)
    _, draft = contexts(MAIN, replace(SETTINGS, draft=asked), 11434, DRAFT)
    assert {*draft.placement.layers} == {"host"}


@pytest.mark.parametrize(("n_max", "rows"), [(3, 4), (7, 8)])
def test_the_main_model_has_an_output_for_each_drafted_token(n_max, rows):
    asked = DraftSettings(spec_type="draft-simple", n_max=n_max)
    main, draft = contexts(MAIN, replace(SETTINGS, draft=asked), 11434, DRAFT)
    assert (main.counts.outputs, draft.counts.outputs) == (rows, 1)


def test_a_draft_of_an_embedding_server_embeds_nothing():
    main, draft = both(embedding=True)
    assert (main.ground.setting.embeddings, draft.ground.setting.embeddings) == (True, False)
    assert draft.counts.outputs == 1


def test_without_a_draft_there_is_one_context():
    assert len([*contexts(MAIN, replace(SETTINGS, draft=None), 11434, None)]) == 1


EAGLE = replace(
    making.facts(architecture="eagle3", layers=1),
    hyperparameters={
        **making.facts(architecture="eagle3", layers=1).hyperparameters,
        "target_layers": (1, 3, 4),
    },
)


def drafting(spec, draft, **settings):
    asked = replace(SETTINGS, draft=DraftSettings(spec_type=spec), **settings)
    return [*contexts(MAIN, asked, 11434, draft)]


def test_the_main_model_keeps_the_inputs_that_a_draft_reads():
    main, draft = drafting("draft-eagle3", EAGLE)
    assert (main.ground.setting.read, draft.ground.setting.read) == ((1, 3, 4), ())
    assert (main.output_rows.read_layers, main.output_rows.hidden) == (3, 0)


def test_a_draft_that_reads_the_last_layer_reads_the_row_behind_it():
    last = {**EAGLE.hyperparameters, "target_layers": (1, 3, 6)}
    main, _ = drafting("draft-eagle3", replace(EAGLE, hyperparameters=last))
    assert (main.output_rows.hidden, main.output_rows.read_layers) == (main.counts.batch, 2)


def test_a_list_of_layers_that_is_none_is_no_list():
    for wrong in ("1", 3, ("1", "2"), (1.5,)):
        odd = {**EAGLE.hyperparameters, "target_layers": wrong}
        main, _ = drafting("draft-eagle3", replace(EAGLE, hyperparameters=odd))
        assert main.ground.setting.read == ()


@pytest.mark.parametrize(
    ("spec", "rows"), [("draft-simple", 0), ("draft-eagle3", 4), ("draft-dflash", 4 * (1 + 3))]
)
def test_tokens_of_drafts_are_picked_beside_the_logits(spec, rows):
    _, draft = drafting(spec, EAGLE, parallel=4)
    assert draft.ground.setting.samplers == rows
    assert draft.output_rows.sampled is bool(rows)


def test_no_more_rows_are_picked_than_a_micro_batch_has_of_a_slot():
    _, draft = drafting("draft-dflash", EAGLE, parallel=4, ubatch_size=8)
    assert draft.ground.setting.samplers == 4 * 2


def test_what_encodes_has_logits_for_every_token_of_a_micro_batch():
    _, draft = drafting("draft-eagle3", EAGLE, ubatch_size=128)
    assert draft.counts.outputs == draft.output_rows.logits == 128


def block(spec, *, n_max=3, **values):
    told = replace(EAGLE, hyperparameters={**EAGLE.hyperparameters, **values})
    asked = replace(SETTINGS, parallel=2, draft=DraftSettings(spec_type=spec, n_max=n_max))
    _, draft = contexts(MAIN, asked, 11434, told)
    return draft


def test_blocks_of_drafts_have_an_output_for_each_of_their_tokens():
    rows = block("draft-dflash").output_rows
    assert (rows.logits, rows.hidden) == (2 * (1 + 3), 2 * (1 + 3))


def test_no_more_of_a_block_is_drafted_than_it_was_trained_for():
    assert block("draft-dflash", n_max=40).output_rows.logits == 2 * 16
    assert block("draft-dflash", n_max=40, block_size=8).output_rows.logits == 2 * 8
    assert block("draft-dspark", n_max=40, block_size=8).output_rows.logits == 2 * 8


@pytest.mark.parametrize(("anchored", "rows"), [(True, 3), (False, 1 + 3)])
def test_the_first_token_of_a_markov_block_may_be_a_draft(anchored, rows):
    made = block("draft-dspark", sample_from_anchor=anchored)
    assert made.output_rows.logits == 2 * rows
    # Whichever it is, one more is reserved for.
    assert made.ground.setting.samplers == 2 * (1 + 3)


def test_dflash2_picks_tokens_itself_and_hands_a_row_of_every_token_over():
    made = block("draft-dflash", selector_top_k=8)
    assert (made.ground.setting.samplers, made.output_rows.sampled) == (0, False)
    assert (made.output_rows.logits, made.output_rows.hidden) == (2, made.counts.batch)

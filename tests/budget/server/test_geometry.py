"""Contexts, slots and batches, in the server's order of operations."""

import pytest
from making_facts import facts, llama, published

from llmgen.budget.server.geometry import geometry
from llmgen.budget.settings import ServerSettings, SettingRefused
from llmgen.budget.shape.hyperparameters import hyperparameters


def counts(model, **settings):
    return geometry(hyperparameters(model), ServerSettings(**settings))


def test_slots_round_their_share_up():
    found = counts(llama(), ctx_size=40000, parallel=3)
    assert (found.cells, found.streams, found.context) == (13568, 3, 40704)


def test_automatic_slots_are_four_that_share():
    found = counts(llama(), ctx_size=8192, kv_unified=False)
    assert (found.slots, found.streams, found.cells) == (4, 1, 8192)


def test_no_context_means_the_trained_one():
    assert counts(llama(), parallel=1).context == 4096


@pytest.mark.parametrize(("unified", "cells"), [(True, 4096), (False, 1024)])
def test_window_holds_every_slot_that_shares_it(unified, cells):
    found = counts(published("gemma-3-4b"), ctx_size=4096, parallel=4, kv_unified=unified)
    assert found.window_cells == cells


def test_larger_micro_batch_widens_every_window():
    model = published("gemma-3-4b")
    small = counts(model, ctx_size=32768, parallel=1).window_cells
    large = counts(model, ctx_size=32768, parallel=1, ubatch_size=2048).window_cells
    assert large - small == 1536


def test_batch_is_cut_to_the_context_before_it_is_padded():
    found = counts(llama(), ctx_size=100, parallel=1)
    assert (found.batch, found.ubatch, found.context) == (100, 100, 256)


def test_context_does_not_cut_the_batch_of_a_model_that_is_never_causal():
    values = {**llama().hyperparameters, "attention.causal": True, "attention.sliding_window": 512}
    found = counts(facts("gemma-embedding", values), ctx_size=100, parallel=1)
    assert (found.batch, found.ubatch) == (2048, 256)


def test_embedding_server_outputs_every_token_of_a_micro_batch():
    found = counts(llama(), ctx_size=4096, parallel=2, embedding=True)
    assert (found.batch, found.outputs) == (512, 512)


def test_completion_server_outputs_one_row_a_slot():
    assert counts(llama(), ctx_size=4096, parallel=3).outputs == 3


@pytest.mark.parametrize(
    ("key", "value"), [("parallel", 0), ("parallel", 300), ("ctx_size", -1), ("ubatch_size", -5)]
)
def test_impossible_count_is_refused(key, value):
    with pytest.raises(SettingRefused) as refused:
        counts(llama(), **{key: value})
    assert refused.value.key == key


def test_outputs_of_an_embedding_server_are_no_more_than_its_context():
    values = {**llama().hyperparameters, "attention.causal": False, "context_length": 512}
    found = counts(facts("bert", values), parallel=1, embedding=True, batch_size=8192, ubatch_size=8192)  # fmt: skip
    assert (found.ubatch, found.outputs) == (512, 512)

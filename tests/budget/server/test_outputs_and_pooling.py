"""Rows that a server computes, and how it pools them."""

import pytest
from making_facts import facts, llama

from llmgen.budget.server.geometry import all_rows, geometry, pooling
from llmgen.budget.settings import ServerSettings
from llmgen.budget.shape.hyperparameters import hyperparameters


def counts(drafted=0, **settings):
    asked = {"ctx_size": 4096, "parallel": 1, **settings}
    return geometry(hyperparameters(llama()), ServerSettings(**asked), drafted=drafted)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, False),
        ({"embedding": True}, True),
        ({"pooling": "none"}, False),
        ({"pooling": "mean"}, True),
        ({"pooling": "rank"}, True),
    ],
)
def test_servers_that_embed_have_a_row_for_every_token(settings, expected):
    assert all_rows(ServerSettings(**settings)) is expected


def test_drafts_add_their_rows_to_each_slot():
    """`n_outputs = n_seqs * (1 + n_draft)`."""
    assert counts(drafted=3, parallel=2).outputs == 8


def test_there_are_no_more_outputs_than_tokens():
    assert counts(ubatch_size=4, parallel=8, kv_unified=True).outputs == 4


def test_tokens_are_rounded_up_to_as_many_for_each_slot():
    found = counts(parallel=3, kv_unified=True)
    assert (found.tokens, found.ubatch) == (512, 513)


def test_a_micro_batch_is_no_larger_than_a_batch():
    assert counts(batch_size=128).ubatch == 128


def test_zero_micro_batch_means_the_batch():
    found = counts(ubatch_size=0, batch_size=1024)
    assert (found.batch, found.ubatch) == (1024, 1024)


def test_an_embedding_server_takes_no_batch_above_its_micro_batch():
    assert counts(embedding=True, batch_size=2048, ubatch_size=256).batch == 256


@pytest.mark.parametrize(
    ("number", "how"), [(0, "none"), (1, "mean"), (2, "cls"), (3, "last"), (4, "rank")]
)
def test_the_header_says_how_an_embedding_server_pools(number, how):
    """`enum llama_pooling_type`."""
    model = hyperparameters(facts("llama", {**llama().hyperparameters, "pooling_type": number}))
    assert pooling(model, ServerSettings(embedding=True)) == how
    assert pooling(model, ServerSettings()) == ""


def test_the_option_goes_before_the_header():
    model = hyperparameters(facts("llama", {**llama().hyperparameters, "pooling_type": 1}))
    assert pooling(model, ServerSettings(embedding=True, pooling="last")) == "last"


def test_the_server_has_at_most_256_slots():
    assert counts(parallel=256, ctx_size=65536).slots == 256


def test_slots_that_share_have_one_stream():
    assert (counts(parallel=4, kv_unified=True).streams, counts(parallel=4).streams) == (1, 4)
    assert counts(parallel=4, kv_unified=True).unified

"""What a header says of a model: counts against the published ones, odd headers."""

import pytest
from making import facts
from msgspec.structs import replace

from llmgen.facts.card import Card, card
from llmgen.facts.gguf_facts import TensorGroup
from llmgen.units import show_parameters


def with_header(found, **values):
    return replace(found, hyperparameters={**found.hyperparameters, **values})


def test_parameters_are_all_elements():
    found = facts(layers=2, embedding=64, heads=4, heads_kv=2, feed_forward=128, vocabulary=100)
    layer = 2 * 64 + 64 * 64 * 2 + 2 * 64 * 32 + 3 * 64 * 128
    beside = sum(
        one for group in found.tensors if not group.layers for one in [_elements(group.shape)]
    )
    assert card(found).parameters == card(found).active == 2 * layer + beside


def _elements(shape):
    total = 1
    for size in shape:
        total *= size
    return total


def test_of_experts_those_count_that_a_token_uses():
    experts = TensorGroup("blk.#.ffn_up_exps.weight", "f16", (64, 128, 8), (0, 1), 131072)
    router = TensorGroup("blk.#.ffn_gate_inp.weight", "f32", (64, 8), (0, 1), 2048)
    found = with_header(
        replace(facts(), tensors=(experts, router)), expert_count=8, expert_used_count=2
    )
    assert card(found).parameters == 2 * (64 * 128 * 8 + 64 * 8)
    assert card(found).active == 2 * (64 * 128 * 2 + 64 * 8)
    assert (card(found).experts, card(found).experts_used) == (8, 2)


@pytest.mark.parametrize(
    ("header", "width"),
    [({}, 256), ({"dense_2_feat_out": 768}, 768), ({"embedding_length_out": 128}, 128)],
)
def test_dimensions_are_those_of_the_vectors_that_clients_get(header, width):
    assert card(with_header(facts(), **header)).dimensions == width


@pytest.mark.parametrize("value", [0, -1, 1.5, "8", True, (1, 2)])
def test_odd_headers_tell_nothing(value):
    found = card(with_header(facts(), expert_count=value, embedding_length=value))
    assert (found.experts, found.dimensions) == (0, 0)
    assert card(with_header(facts(), **{"general.license": value})).licence in ("", "8")


def test_nothing_known_is_no_card():
    assert card(replace(facts(), tensors=(), hyperparameters={})) == Card()


@pytest.mark.parametrize(
    ("count", "text"),
    [(999, "999"), (137_000_000, "137M"), (30_532_122_624, "30.5B"), (1.04e12, "1.0T")],
)
def test_parameters_as_people_say_them(count, text):
    assert show_parameters(int(count)) == text

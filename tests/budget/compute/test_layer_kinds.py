"""Which layers are alike, so that only some of them are walked."""

import making
import pytest
from making_facts import facts, published
from msgspec.structs import replace

from llmgen.budget.compute.layer_kinds import layer_kinds
from llmgen.budget.context import context
from llmgen.budget.settings import ServerSettings

PAIR = ("gpu0", "gpu1")


def kinds(model, **settings):
    """Layers by the number of their kind, in the order in which kinds come."""
    found = layer_kinds(
        context(model, ServerSettings(**{"ctx_size": 4096, "parallel": 1, **settings})).ground
    )
    numbers = {}
    return [numbers.setdefault(kind, len(numbers)) for kind in found]


def test_layers_of_a_plain_model_are_alike():
    assert kinds(making.facts(layers=6)) == [0] * 6


def test_layers_on_different_devices_are_not():
    assert kinds(making.facts(layers=5), devices=PAIR) == [0, 0, 0, 1, 1]
    assert kinds(making.facts(layers=4), n_gpu_layers=3) == [0, 0, 1, 1]


def test_nor_those_with_a_window_and_without():
    model = published("gemma-3-4b")
    found = kinds(model)
    assert found[:6] == [0, 0, 0, 0, 0, 1]
    assert set(found) == {0, 1}


def test_nor_those_with_other_heads_or_other_rows():
    values = {**making.facts().hyperparameters, "attention.head_count_kv": [2, 2, 4, 4]}
    assert kinds(facts("llama", values)) == [0, 0, 1, 1]
    values = {**making.facts().hyperparameters, "feed_forward_length": [512, 1024, 512, 512]}
    assert kinds(facts("llama", values)) == [0, 1, 0, 0]


def test_nor_those_whose_tensors_have_other_shapes():
    model = making.facts(layers=4)
    *others, last = model.tensors
    two = [replace(last, layers=(0, 1)), replace(last, layers=(2, 3), shape=(512, 128))]
    assert kinds(replace(model, tensors=(*others, *two))) == [0, 0, 1, 1]


def test_another_type_alone_makes_no_other_kind():
    model = making.facts(layers=4)
    *others, last = model.tensors
    two = [replace(last, layers=(0, 1)), replace(last, layers=(2, 3), type="q8_0")]
    assert kinds(replace(model, tensors=(*others, *two))) == [0] * 4


@pytest.mark.parametrize("count", [1, 3])
def test_a_tensor_that_is_moved_sets_its_layer_apart(count):
    rules = tuple((rf"blk\.{layer}\.attn_q", "CPU") for layer in range(count))
    found = kinds(making.facts(layers=4), override_tensor=rules)
    assert found == [0] * count + [1] * (4 - count)

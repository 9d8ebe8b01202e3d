"""Layers on devices, as the server assigns them."""

import pytest

from llmgen.budget.model import HOST, ServerSettings
from llmgen.budget.placement import place_layers

PAIR = ("gpu0", "gpu1")


def placed(blocks, **settings):
    return place_layers(blocks, ServerSettings(**settings))


def test_everything_is_offloaded_by_default():
    found = placed(3)
    assert (found.layers, found.output) == (("gpu0",) * 3, "gpu0")


def test_output_is_the_first_to_leave_the_host():
    found = placed(3, n_gpu_layers=1)
    assert (found.layers, found.output) == ((HOST,) * 3, "gpu0")


def test_front_layers_stay_on_the_host():
    assert placed(4, n_gpu_layers=3).layers == (HOST, HOST, "gpu0", "gpu0")


def test_no_device_means_the_host():
    found = placed(2, devices=())
    assert {*found.layers, found.output} == {HOST}


@pytest.mark.parametrize(
    ("split", "first"), [((), 5), ((1.0, 1.0), 5), ((3.0, 1.0), 8), ((0.0, 1.0), 0)]
)
def test_shares_decide_how_many_layers_come_first(split, first):
    assert placed(9, devices=PAIR, tensor_split=split).layers.count("gpu0") == first

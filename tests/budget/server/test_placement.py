"""Layers on devices, as the server assigns them."""

import pytest

from llmgen.budget.memory import HOST
from llmgen.budget.server.placement import place_layers
from llmgen.budget.settings import ServerSettings, SettingRefused

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


@pytest.mark.parametrize("split", [(1e-50, 0.0), (1.0, 1e-40), (1e-7, 1e-7)])
def test_shares_that_the_server_could_not_read_are_refused(split):
    with pytest.raises(SettingRefused) as caught:
        placed(9, devices=PAIR, tensor_split=split)
    assert caught.value.key == "tensor_split"
    assert placed(9, devices=PAIR, tensor_split=(1e-6, 1e-6)).layers.count("gpu0") == 5

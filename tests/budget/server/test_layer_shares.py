"""Layers of several devices: whole layers in proportion to room, and the server's own bounds."""

import pytest

from llmgen.budget.memory import HOST
from llmgen.budget.server.placement import layer_shares, offloaded, place_layers
from llmgen.budget.settings import ServerSettings, SettingRefused

PAIR = ("gpu0", "gpu1")


@pytest.mark.parametrize(
    ("count", "room", "shares"),
    [
        (33, (24, 8), (25, 8)),
        (10, (1, 1, 1), (4, 3, 3)),
        (5, (0, 7), (0, 5)),
        (4, (0, 0), (2, 2)),
        (4, (-3, 3), (0, 4)),
        (0, (1, 1), (0, 0)),
        (7, (3, 3, 1), (3, 3, 1)),
    ],
)
def test_each_device_gets_whole_layers_by_its_room(count, room, shares):
    assert layer_shares(count, room) == shares
    assert sum(shares) == count


@pytest.mark.parametrize("first", range(1, 33))
def test_shares_that_are_numbers_of_layers_are_read_back_as_these_layers(first):
    """`std::upper_bound` over shares in 32 bits: layer k of n is behind a device if k/n >= a/n."""
    settings = ServerSettings(devices=PAIR, tensor_split=(float(first), float(33 - first)))
    found = place_layers(32, settings)
    assert (*found.layers, found.output).count("gpu0") == first


@pytest.mark.parametrize(
    ("asked", "count"), [(-1, 33), (99, 33), (33, 33), (32, 32), (1, 1), (0, 0)]
)
def test_the_output_counts_as_one_more_layer(asked, count):
    assert offloaded(32, asked) == count


def test_without_shares_devices_have_equal_ones():
    found = place_layers(11, ServerSettings(devices=("gpu0", "gpu1", "gpu2")))
    every = (*found.layers, found.output)
    assert [every.count(name) for name in found.devices] == [4, 4, 4]


def test_a_share_that_is_missing_is_none():
    found = place_layers(7, ServerSettings(devices=PAIR, tensor_split=(1.0,)))
    assert {*found.layers, found.output} == {"gpu0"}


@pytest.mark.parametrize("split", [(1.0, 1.0, 1.0), (1.0, -1.0)])
def test_too_many_shares_and_negative_ones_are_refused(split):
    with pytest.raises(SettingRefused) as refused:
        place_layers(7, ServerSettings(devices=PAIR, tensor_split=split))
    assert refused.value.key == "tensor_split"


def test_only_offloaded_layers_are_divided():
    found = place_layers(8, ServerSettings(devices=PAIR, n_gpu_layers=4))
    assert found.layers == (HOST,) * 5 + ("gpu0",) * 2 + ("gpu1",)
    assert found.output == "gpu1"
    assert not found.is_full


def test_layers_are_counted_by_device():
    found = place_layers(4, ServerSettings(devices=PAIR, tensor_split=(3.0, 2.0)))
    assert found.count((0, 1, 3)) == {"gpu0": 2, "gpu1": 1}
    assert found.count(()) == {}
    assert found.of(99) == found.layers[-1]
    assert found.is_full


def test_one_device_has_what_it_is_asked_for():
    found = place_layers(4, ServerSettings())
    assert found.count((0, 1, 2)) == {"gpu0": 3}
    assert found.count(()) == {}

"""What a context finds out before it reserves: whether flash attention runs where its layer is."""

import making
import pytest
from msgspec.structs import replace

from llmgen.budget.compute.fused import resolved
from llmgen.budget.context import context
from llmgen.budget.memory import HOST
from llmgen.budget.settings import ServerSettings, SettingRefused

LLAMA = making.facts(layers=4)


def setting(build=11434, **settings):
    asked = ServerSettings(**{"ctx_size": 4096, "parallel": 1, **settings})
    ground = context(LLAMA, asked, build).ground
    found, fused = resolved(ground, (*ground.placement.devices, HOST))
    assert fused
    return found.setting


def test_on_one_device_it_stays():
    assert setting().flash
    assert not setting().columns


# All that is read and written beside attention is on the host, and its layer on the device.
AWAY = {"kv_offload": False, "override_tensor": (("attn_", "CPU"),)}


def test_beside_a_cache_on_the_host_it_stays_for_devices_spread_first():
    assert setting(kv_offload=False).flash


def test_so_it_does_beside_matrices_on_the_host_for_the_cache_is_on_the_device():
    assert setting(override_tensor=AWAY["override_tensor"]).flash


def test_with_both_on_the_host_it_is_left_and_v_stays_in_rows():
    found = setting(**AWAY)
    assert (found.flash, found.rows, found.columns) == (False, True, False)


def test_it_stays_where_it_is_asked_for():
    assert setting(**AWAY, flash_attn="on").flash


def test_without_it_v_lies_in_columns():
    assert setting(flash_attn="off").columns


def test_older_builds_refuse_what_later_ones_do_not_look_for():
    quantised = {**AWAY, "cache_type_v": "q8_0"}
    assert setting(**quantised).flash
    with pytest.raises(SettingRefused) as refused:
        setting(10152, **quantised)
    assert refused.value.key == "cache_type_v"


def test_layers_of_the_host_are_no_other_place():
    assert setting(n_gpu_layers=2).flash


def test_without_devices_there_is_nowhere_else():
    assert setting(devices=()).flash
    assert replace(setting(devices=()), flash=False).columns

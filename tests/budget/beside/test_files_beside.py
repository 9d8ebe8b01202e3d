"""Projectors and adapters: their weights on the right device, and what their graphs may take."""

import pytest
from making_facts import facts, group, llama
from msgspec.structs import replace

from llmgen.budget.beside.additions import Addition, addition_parts, with_additions
from llmgen.budget.beside.projector import projector_memory
from llmgen.budget.estimate import estimate
from llmgen.budget.memory import DeviceMemory
from llmgen.budget.settings import ServerSettings, SettingRefused
from llmgen.facts.gguf_facts import TensorGroup
from llmgen.units import MIB

SETTINGS = ServerSettings(ctx_size=4096, parallel=1)
PAIR = ("gpu0", "gpu1")
BUILD = 11434


def projector(kind="gemma4", size=1_000_000):
    return facts("clip", {"projector_type": kind}, 0, (group("v.blk.#.attn_q.weight", size, 2),))


def test_a_projector_is_on_the_first_device_with_all_of_its_tensors():
    found = projector_memory(projector(), replace(SETTINGS, devices=PAIR), BUILD)
    assert (found.device, found.weights) == ("gpu0", 2_000_000)


@pytest.mark.parametrize("settings", [{"mmproj_offload": False}, {"devices": ()}])
def test_or_on_the_host(settings):
    assert projector_memory(projector(), replace(SETTINGS, **settings), BUILD).device == "host"


@pytest.mark.parametrize(("kind", "more"), [("gemma4", 256), ("qwen2.5vl_merger", 410), ("", 256)])
def test_images_of_any_size_need_a_larger_graph(kind, more):
    assert projector_memory(projector(kind), SETTINGS, BUILD).compute == more * MIB


def test_before_b11434_a_projector_ignores_the_list_of_devices():
    second = replace(SETTINGS, devices=("gpu1",))
    with pytest.raises(SettingRefused) as refused:
        projector_memory(projector(), second, BUILD - 1)
    assert refused.value.key == "mmproj_offload"
    assert projector_memory(projector(), second, BUILD).device == "gpu1"
    assert projector_memory(projector(), SETTINGS, BUILD - 1).device == "gpu0"


def test_what_is_beside_adds_up_by_device():
    memory = (DeviceMemory("host", 1, 2, 3), DeviceMemory("gpu0", 10, 20, 30))
    added = [Addition("projector", "gpu0", 100, 7), Addition("adapters", "gpu0", 1000, 70)]
    assert with_additions(added, memory) == (
        DeviceMemory("host", 1, 2, 3),
        DeviceMemory("gpu0", 1110, 20, 107),
    )
    assert [*addition_parts(added[:1])] == [
        ("gpu0", "weights: projector", 100),
        ("gpu0", "compute: projector", 7),
    ]


def adapter(rank=8, pattern="blk.#.attn_q.weight", layers=4):
    a = TensorGroup(f"{pattern}.lora_a", "f32", (256, rank), tuple(range(layers)), 4 * 256 * rank)
    b = TensorGroup(f"{pattern}.lora_b", "f32", (rank, 256), tuple(range(layers)), 4 * 256 * rank)
    return facts("llama", {}, 0, (a, b))


def grown(*adapters, **settings):
    asked = replace(SETTINGS, **settings)
    plain = {item.device: item for item in estimate(llama(), asked).memory}
    made = estimate(llama(), asked, adapters=adapters).memory
    return {
        item.device: (
            item.model - plain[item.device].model,
            item.compute - plain[item.device].compute,
        )
        for item in made
    }


def test_an_adapter_lies_beside_what_it_changes():
    each = 2 * 4 * 256 * 8
    assert grown(adapter())["gpu0"][0] == 4 * each
    split = grown(adapter(), n_gpu_layers=3)
    assert (split["host"][0], split["gpu0"][0]) == (2 * each, 2 * each)


def test_several_adapters_add_up_but_their_rows_are_computed_in_turn():
    one, two = grown(adapter())["gpu0"], grown(adapter(), adapter())["gpu0"]
    assert two[0] == 2 * one[0]
    assert two[1] == one[1]


@pytest.mark.parametrize("rank", [8, 64])
def test_their_products_are_a_row_of_both_widths_for_each_token(rank):
    assert grown(adapter(rank))["gpu0"][1] == 4 * 512 * (rank + 256)

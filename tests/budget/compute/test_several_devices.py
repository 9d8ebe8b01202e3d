"""Compute buffers of devices that share a model with others, or with the host."""

import pytest
from making_facts import facts, llama, published
from msgspec.structs import replace
from oracle.comparison import all_facts

from llmgen.budget.estimate import estimate
from llmgen.budget.settings import ServerSettings

SETTINGS = ServerSettings(ctx_size=4096, parallel=1)
PAIR = ("gpu0", "gpu1")
STREAM = 256 * 512 * 4


def compute(model, build=11434, **settings):
    made = estimate(model, replace(SETTINGS, **settings), build)
    return {item.device: item.compute for item in made.memory}


def test_before_mixed_batches_a_device_copies_one_input_instead_of_three():
    older, newer = (compute(llama(), build, devices=PAIR) for build in (11391, 11434))
    fewer = [(newer[device] - older[device]) // STREAM for device in ("host", *PAIR)]
    assert fewer == [5, 9, 0]


def test_inputs_are_copied_even_where_one_device_has_all_layers():
    alone = compute(llama(2))
    both = compute(llama(2), devices=PAIR, tensor_split=(3.0, 1.0))
    assert both["gpu1"] == 0
    assert both["host"] > 3 * alone["host"]


@pytest.mark.parametrize("build", [9464, 11434])
def test_device_behind_the_host_has_two_streams_beside_the_feed_forward(build):
    model = llama(8)
    mask, hidden = 4096 * 512 * 2, 3 * 512 * 512 * 4
    rest = compute(model, build, n_gpu_layers=5)["gpu0"] - mask - hidden - 2 * STREAM
    assert 0 < rest < 10 * 512 * 4


def test_layers_behind_get_only_their_own_inputs():
    values = {**published("gemma-4-e4b").hyperparameters, "attention.shared_kv_layers": 0}
    gemma = facts("gemma4", values, 500)
    every_input = 42 * 256 * 512 * 4
    behind = compute(gemma, n_gpu_layers=9)["gpu0"]
    assert behind < compute(gemma)["gpu0"] - every_input // 2


def test_outputs_of_experts_on_the_host_leave_two_holes_before_mixed_batches():
    model = all_facts()["granite-4.0-h-small"]
    returned = 10 * 4096 * 512 * 4
    older, newer = (
        compute(model, build, n_cpu_moe=128)["gpu0"] // returned for build in (11391, 11434)
    )
    assert (older, newer) == (2, 1)


def test_linear_attention_fades_every_token_for_every_other_on_host_and_device():
    minimax = all_facts()["fixture/minimax-01-moe"]
    heads = minimax.hyperparameters["attention.head_count"]
    fading = (max(heads) if isinstance(heads, tuple) else heads) * 512 * 512 * 4
    found = compute(minimax)
    assert found["host"] > fading
    assert found["gpu0"] > 2 * fading

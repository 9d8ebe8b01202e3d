"""Compute buffers of a small model, added up by hand: 256 wide, 512 hidden, 512 tokens."""

import making
import pytest
from msgspec.structs import replace

from llmgen.budget.estimate import estimate
from llmgen.budget.settings import ServerSettings, SettingRefused
from llmgen.facts.gguf_facts import TensorGroup

SETTINGS = ServerSettings(ctx_size=4096, parallel=1)
LLAMA = making.facts(layers=4)
STREAM = 256 * 512 * 4
HIDDEN = 512 * 512 * 4


def compute(model=LLAMA, **settings):
    made = estimate(model, replace(SETTINGS, **settings))
    return {item.device: item.compute for item in made.memory}


def test_inputs_of_the_program_are_on_the_host_and_a_copy_of_them_on_the_device():
    assert set(compute()) == {"host", "gpu0"}
    assert 0 < compute()["host"] < compute()["gpu0"]


def test_without_flash_attention_scores_are_added_for_each_cell():
    """Two planes of scores are never alive at once: the softmax is made in their place."""
    small, large = (compute(flash_attn="off", ctx_size=size)["gpu0"] for size in (8192, 16384))
    scores, mask = 4 * 512 * 4, 512 * 4
    assert (large - small) == 8192 * (scores + mask)


def test_with_it_only_the_mask_grows():
    small, large = (compute(ctx_size=size)["gpu0"] for size in (65536, 131072))
    assert large - small == 65536 * 512 * 2


@pytest.mark.parametrize("layers", [2, 5, 33])
def test_more_layers_need_no_more(layers):
    assert compute(making.facts(layers=layers)) == compute()


def test_a_wider_feed_forward_needs_gate_and_up():
    """Both are alive when they are multiplied, whose result takes the place of neither."""
    one, two = (compute(making.facts(feed_forward=wide))["gpu0"] for wide in (4096, 8192))
    assert two - one == 3 * 4096 * 512 * 4


def test_half_the_tokens_of_a_micro_batch_need_about_half():
    whole, half = compute(), compute(ubatch_size=256)
    assert half["gpu0"] * 2 - whole["gpu0"] in range(-64 * 1024, 64 * 1024)


def test_without_devices_everything_is_on_the_host():
    assert set(compute(devices=())) == {"host"}
    assert compute(devices=())["host"] > compute()["host"]


def test_names_at_the_peak_add_up_to_the_buffer():
    made = estimate(LLAMA, SETTINGS, explained=True)
    for item in made.memory:
        parts = [
            size for name, what, size in made.parts if (name, what[:8]) == (item.device, "compute:")
        ]
        assert sum(parts) == item.compute
    assert any("ffn" in what for _, what, _ in made.parts)


def test_a_model_that_lacks_a_tensor_has_the_one_that_its_header_implies():
    lacking = tuple(item for item in LLAMA.tensors if "attn_q" not in item.pattern)
    assert compute(replace(LLAMA, tensors=lacking)) == compute()


def test_numbers_that_contradict_each_other_make_no_graph():
    broken = TensorGroup("blk.#.attn_q.weight", "f16", (256, 0), (0, 1, 2, 3), 0)
    tensors = tuple(broken if item.pattern == broken.pattern else item for item in LLAMA.tensors)
    values = {**LLAMA.hyperparameters, "attention.key_length": 2**31, "attention.value_length": 0}
    model = replace(LLAMA, tensors=tensors, hyperparameters=values)
    with pytest.raises(SettingRefused) as refused:
        estimate(model, SETTINGS)
    assert refused.value.key == "model"

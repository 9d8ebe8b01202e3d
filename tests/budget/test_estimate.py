"""The estimate as a whole: sums, drafts, projectors, margins."""

import pytest
from making import adapter
from making_facts import facts, group, llama, published
from msgspec.structs import replace

from llmgen.budget.beside.measurements import settings_digest, with_measured
from llmgen.budget.builds import NEWEST
from llmgen.budget.estimate import estimate
from llmgen.budget.settings import DraftSettings, ServerSettings, SettingRefused
from llmgen.facts.lock_model import Measured
from llmgen.units import MIB

SETTINGS = ServerSettings(ctx_size=4096, parallel=2, kv_unified=False)
PAIR = ("gpu0", "gpu1")
CUDA = {"gpu0": "cuda", "gpu1": "cuda"}


def memory(model, **settings):
    made = estimate(model, replace(SETTINGS, **settings))
    return {item.device: item for item in made.memory}


@pytest.mark.parametrize(
    "settings", [{}, {"devices": ()}, {"devices": PAIR}, {"kv_offload": False}]
)
def test_parts_add_up_to_the_figures(settings):
    made = estimate(llama(), replace(SETTINGS, **settings))
    for item in made.memory:
        parts = sum(size for device, _, size in made.parts if device == item.device)
        assert parts == item.total


def test_cache_lives_with_its_layer():
    found = memory(llama(), n_gpu_layers=3)
    assert found["host"].context == found["gpu0"].context > 0


def test_cache_stays_on_the_host_when_it_is_not_offloaded():
    found = memory(llama(), kv_offload=False)
    assert (found["gpu0"].context, found["host"].context) == (0, memory(llama())["gpu0"].context)


@pytest.mark.parametrize("settings", [{"devices": ()}, {"n_gpu_layers": 0}])
def test_layers_of_the_host_fetch_nothing_of_a_cache_beside_them(settings):
    there, offloaded = memory(llama(), kv_offload=False, **settings), memory(llama(), **settings)
    assert there["host"].compute == offloaded["host"].compute


def test_gate_takes_the_place_of_a_cache_from_the_host_that_is_large_enough():
    model = published("llama-3.1-8b")
    small, large = (
        memory(model, ctx_size=size, kv_offload=False)["gpu0"].compute for size in (8192, 10240)
    )
    assert small - large == 20 * 2**20  # llama.cpp b11434: 144 and 124 MiB


def test_two_devices_copy_the_inputs_unless_something_is_kept_on_the_host():
    copied, plain = memory(llama(), devices=PAIR), memory(llama(), devices=PAIR, n_cpu_moe=1)
    assert copied["gpu1"].compute > plain["gpu1"].compute


def test_device_with_nothing_but_the_output_needs_its_logits_only():
    logits = 2 * 500 * 4  # behind the last rows of the stream
    assert memory(llama(), n_gpu_layers=1)["gpu0"].compute == logits + 2 * 256 * 4


def test_draft_model_is_a_second_model_with_the_main_context():
    drafted = estimate(
        llama(), replace(SETTINGS, draft=DraftSettings("draft-simple")), draft=llama(2)
    )
    alone = {item.device: item for item in estimate(llama(), SETTINGS).memory}
    second = {item.device: item for item in estimate(llama(2), SETTINGS).memory}
    for item in drafted.memory:
        assert item.model == alone[item.device].model + second[item.device].model
        assert item.context == alone[item.device].context + second[item.device].context


def test_drafts_cache_has_its_own_type():
    settings = replace(
        SETTINGS, cache_type_k="q8_0", cache_type_v="q8_0", draft=DraftSettings("draft-simple")
    )
    both = estimate(llama(), settings, draft=llama()).memory[1].context
    main = estimate(llama(), replace(settings, draft=None)).memory[1].context
    assert both - main == memory(llama())["gpu0"].context


def test_mtp_adds_a_cache_for_the_nextn_block_and_its_weights():
    model = replace(llama(4, nextn_predict_layers=1), architecture="glm4moe")
    plain = memory(model)["gpu0"]
    mtp = memory(model, draft=DraftSettings("draft-mtp"))["gpu0"]
    assert mtp.model - plain.model == 164_000
    assert mtp.context - plain.context == plain.context // 3


def test_mtp_keeps_state_for_every_drafted_token():
    model = published("qwen3.5-27b")
    mtp = estimate(model, replace(SETTINGS, draft=DraftSettings("draft-mtp", n_max=3)))
    states = [size for _, what, size in mtp.parts if "recurrent state" in what]
    plain = [size for _, what, size in estimate(model, SETTINGS).parts if "recurrent" in what]
    assert states == [4 * size for size in plain]


def test_projector_of_older_builds_is_on_the_machine_s_first_device_or_refused():
    projector = facts("clip", {"projector_type": "gemma3"}, tensors=(group("v.weight", 5000),))
    settings = replace(SETTINGS, devices=("gpu1",))
    with pytest.raises(SettingRefused) as caught:
        estimate(llama(), settings, 10000, mmproj=projector)
    assert caught.value.key == "mmproj_offload"
    for fits in (
        replace(settings, mmproj_offload=False),
        replace(settings, devices=("gpu0", "gpu1")),
        replace(settings, devices=()),
    ):
        assert estimate(llama(), fits, 10000, mmproj=projector)
    assert estimate(llama(), settings, 11434, mmproj=projector)


def test_projector_goes_to_the_first_device():
    projector = facts("clip", {"projector_type": "gemma3"}, tensors=(group("v.weight", 5000),))
    made = estimate(llama(), replace(SETTINGS, devices=PAIR), mmproj=projector)
    plain = estimate(llama(), replace(SETTINGS, devices=PAIR))
    added = [item.model - was.model for item, was in zip(made.memory, plain.memory, strict=True)]
    assert added == [0, 5000, 0]


def test_adapters_lie_beside_what_they_change():
    settings = replace(SETTINGS, devices=PAIR, tensor_split=(1.0, 1.0))
    made = estimate(llama(), settings, adapters=(adapter(),))
    plain = estimate(llama(), settings)
    both = list(zip(made.memory, plain.memory, strict=True))
    added = [item.model - was.model for item, was in both]
    assert sum(added) == adapter().size_bytes
    assert added[0] == 0
    rows = [item.compute - was.compute for item, was in both]
    assert rows == [4 * 512 * (8 + 256) if weights else 0 for weights in added]


def test_a_known_graph_has_a_small_margin():
    made = estimate(llama(), SETTINGS)
    assert made.margin["gpu0"] == made.memory[1].compute // 100 + 8 * MIB


def test_a_build_that_was_not_recorded_has_a_wider_margin():
    made = estimate(llama(), SETTINGS, NEWEST + 1)
    assert made.margin["gpu0"] == made.memory[1].compute // 10 + 48 * MIB


def test_what_a_backend_takes_is_counted_where_it_is_known():
    plain, made = estimate(llama(), SETTINGS), estimate(llama(), SETTINGS, backends=CUDA)
    assert (plain.temporaries, plain.memory) == ({}, made.memory)
    assert made.on("gpu0") - plain.on("gpu0") == made.temporaries["gpu0"] > 0
    told = sum(size for device, what, size in made.parts if what.startswith("temporaries: "))
    assert told == made.temporaries["gpu0"]


def test_a_draft_has_temporaries_of_its_own():
    alone = estimate(llama(), SETTINGS, backends=CUDA).temporaries["gpu0"]
    both = estimate(llama(), SETTINGS, draft=llama(), backends=CUDA).temporaries["gpu0"]
    assert both == 2 * alone


def test_measured_bytes_replace_computed_ones_and_need_no_margin():
    made = estimate(llama(), SETTINGS)
    seen = with_measured(made, {"gpu0": Measured(1, 2, 3)})
    assert [item.total for item in seen.memory] == [made.memory[0].total, 6]
    assert set(seen.margin) == {"host"}


def test_every_setting_that_moves_memory_has_its_own_digest():
    digests = {
        settings_digest(SETTINGS, 11434),
        settings_digest(SETTINGS, 11435),
        settings_digest(replace(SETTINGS, ubatch_size=256), 11434),
    }
    assert len(digests) == 3

"""`split_mode = "none"` is one device, in the plan as in the server; drafts stay on the model's."""

import pytest
from libraries import TWO_CARDS, models, planned

from llmgen.errors import PlanError


def on(text):
    (placed,) = planned(text, head=TWO_CARDS).placements
    return placed.settings.devices, placed.argv[placed.argv.index("--device") + 1]


@pytest.mark.parametrize(
    ("keys", "device"),
    [
        ('split_mode = "none"', "gpu0"),
        ('split_mode = "none"\nmain_gpu = 1', "gpu1"),
        ('split_mode = "none"\nmain_gpu = 1\ndevice = ["gpu1", "gpu0"]', "gpu0"),
        ('split_mode = "none"\ndevice = "auto"', "gpu0"),
        ('split_mode = "none"\ntensor_split = "auto"', "gpu0"),
    ],
)
def test_whole_model_is_planned_on_the_one_device_that_it_gets(keys, device):
    text = models("a", options=f"ctx_size = 4096\n{keys}")
    devices, word = on(text)
    assert (devices, word) == ((device,), f"CUDA{device[-1]}")
    (placed,) = planned(text, head=TWO_CARDS).placements
    assert {pool for pool, size in placed.footprint.items() if size} == {device, "host"}
    assert "--main-gpu" not in placed.argv


def test_what_fits_two_cards_only_is_refused_for_one():
    text = models("a", options="ctx_size = 65536\ntensor_split = [2, 1]")
    assert on(text)[0] == ("gpu0", "gpu1")
    for place in ('split_mode = "none"', 'split_mode = "none"\ndevice = "auto"'):
        with pytest.raises(PlanError) as caught:
            planned(models("a", options=f"ctx_size = 65536\n{place}"), head=TWO_CARDS)
        assert caught.value.diagnostics[0].code == "budget.device-full"


def test_draft_model_is_told_the_devices_of_its_model():
    text = models("a", options='ctx_size = 4096\ndevice = ["gpu0"]\ndraft = { model = "d.gguf" }')
    (placed,) = planned(text, head=TWO_CARDS).placements
    assert placed.argv[placed.argv.index("--spec-draft-device") + 1] == "CUDA0"


@pytest.mark.parametrize(("mode", "codes"), [("row", ["budget.inexact"]), ("layer", [])])
def test_rows_are_not_promised_to_be_exact(mode, codes):
    text = models("a", options=f'ctx_size = 4096\nsplit_mode = "{mode}"')
    head = TWO_CARDS + "[llama_cpp]\nbuild = 9889\n"
    assert [note.code for note in planned(text, head=head).notes] == codes


def test_server_s_names_of_devices_plan_the_same():
    keys = "ctx_size = 4096\noverride_tensor = ['ffn={}']\ndevice = {}"
    text = models("a", options=keys)
    said = planned(text.format("gpu1", '["gpu1"]'), head=TWO_CARDS).placement("a")
    named = planned(text.format("CUDA1", '["cuda1"]'), head=TWO_CARDS).placement("a")
    assert (named.argv, named.footprint) == (said.argv, said.footprint)
    assert "ffn=CUDA1" in named.argv
    # Tensors cannot be on a device that the server is not given.
    with pytest.raises(PlanError) as caught:
        planned(text.format("CUDA0", '["CUDA1"]'), head=TWO_CARDS)
    assert caught.value.diagnostics[0].code == "models.setting-refused"


@pytest.mark.parametrize("name", ["gpu1", "CUDA1"])
def test_memory_of_other_engines_is_named_alike(name):
    text = f"""
[models.tts]
engine = "command"
cmd = ["/opt/tts/serve"]
memory = {{ {name} = "4GiB", host = "1GiB" }}
"""
    (placed,) = planned(text, head=TWO_CARDS).placements
    assert placed.footprint["gpu1"] == 4 * 2**30
    assert placed.reasons == ()

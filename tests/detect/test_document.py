import tomllib

import pytest

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.config.tables.hardware import Hardware
from llmgen.config.tables.services import Budget
from llmgen.detect.document import document, hardware
from llmgen.detect.machine import FoundMachine, profile_of
from llmgen.detect.probe import _amd
from llmgen.machine import machine
from llmgen.profiles import profiles
from llmgen.units import GIB, MIB

CARDS = FoundMachine("linux", "cuda", 62 * GIB, "/home/me", (("RTX 3090", 24576 * MIB),) * 2)
MAC = FoundMachine("macos", "metal", 64 * GIB, "/Users/me", unified=True)
APU = FoundMachine(
    "linux", "rocm", 124 * GIB, "/home/me", (("GTT", 96 * GIB),), 96 * GIB, unified=True
)
PLAIN = FoundMachine("linux", "cpu", 16 * GIB, "/home/me")


@pytest.mark.parametrize("found", [CARDS, MAC, APU, PLAIN])
def test_what_init_writes_loads_and_describes_the_machine(found):
    config = load([parse("llm.toml", document(found))])
    made = machine(config.hardware, config.budget)
    assert made.backend == found.backend
    if found.devices:
        assert [item.memory_bytes for item in made.devices] == [size for _, size in found.devices]


def test_a_mac_gets_the_profile_of_its_size():
    assert profile_of(MAC) == "apple-silicon-64gb"


@pytest.mark.parametrize("size_gib", [8, 20, 1024])
def test_a_mac_of_an_unknown_size_gets_the_working_set_of_its_memory(size_gib):
    odd = FoundMachine("macos", "metal", size_gib * GIB, "/Users/me", unified=True)
    assert profile_of(odd) == ""
    (device,) = loaded(document(odd)).devices
    assert 0.65 * size_gib * GIB < device.memory_bytes < 0.76 * size_gib * GIB


@pytest.mark.parametrize("profile", profiles())
def test_every_profile_makes_a_machine_on_any_machine(profile):
    made = loaded(document(PLAIN, profile))
    assert made.profile == profile
    assert made.memory_bytes
    assert made.source


def test_strange_folders_are_quoted():
    text = document(
        FoundMachine("linux", "cpu", GIB, 'C:\\"me"\\tmp', programs=(("envoy", "/a\tb"),))
    )
    assert tomllib.loads(text)["paths"]["home"] == 'C:\\"me"\\tmp'


def card(drm, name, vram, gtt):
    folder = drm / name / "device"
    folder.mkdir(parents=True)
    (folder / "mem_info_vram_total").write_text(f"{vram}\n")
    (folder / "mem_info_gtt_total").write_text(f"{gtt}\n")


def test_every_amd_card_counts_and_the_small_one_of_the_processor_does_not(tmp_path):
    card(tmp_path, "card0", 512 * MIB, 30 * GIB)
    card(tmp_path, "card1", 24 * GIB, 30 * GIB)
    card(tmp_path, "card2", 24 * GIB, 30 * GIB)
    backend, devices, shared = _amd(tmp_path)
    assert (backend, [size for _, size in devices], shared) == ("rocm", [24 * GIB] * 2, 0)


def test_an_apu_alone_uses_the_shared_memory(tmp_path):
    card(tmp_path, "card0", 512 * MIB, 96 * GIB)
    assert _amd(tmp_path) == ("rocm", (("GTT of an AMD APU", 96 * GIB),), 96 * GIB)


def test_no_card(tmp_path):
    assert _amd(tmp_path) == ("cpu", (), 0)


def loaded(text):
    config = load([parse("llm.toml", text)])
    return machine(config.hardware, config.budget)


def test_detected_versions_are_written_and_absent_ones_are_said_to_be_guesses():
    text = document(FoundMachine("linux", "cpu", GIB, "/h", build=11500))
    assert tomllib.loads(text)["llama_cpp"]["build"] == 11500
    assert "did not say" in text


@pytest.mark.parametrize("profile", ["", "nvidia-2x24gb"])
def test_models_of_several_cards_go_to_the_one_with_most_room(profile):
    cards = (("NVIDIA RTX 3090", 24 * GIB), ("NVIDIA RTX 3090", 24 * GIB))
    text = document(FoundMachine("linux", "cuda", 64 * GIB, "/home/me", cards), profile)
    assert tomllib.loads(text)["defaults"] == {"device": "auto"}
    assert "defaults" not in tomllib.loads(document(FoundMachine("linux", "cpu", GIB, "/home/me")))


def test_spark_does_not_map_its_weights():
    found = FoundMachine(
        "linux", "cuda", 119 * GIB, "/home/me", (("NVIDIA GB10", 119 * GIB),), unified=True
    )
    assert 'load_mode = "none"' in document(found)
    assert "load_mode" not in document(found, "nvidia-24gb")


@pytest.mark.parametrize(
    "found", [APU, FoundMachine("macos", "metal", 40 * GIB, "/Users/me", unified=True)]
)
def test_machine_without_a_profile_shares_its_memory_in_an_import_too(found):
    made = machine(Hardware.model_validate(hardware(found)), Budget())
    assert made.unified
    assert made == machine(load([parse("llm.toml", document(found))]).hardware, Budget())

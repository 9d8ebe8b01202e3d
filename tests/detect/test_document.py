import tomllib

import pytest

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.detect.model import Found, document, profile_of
from llmgen.machine import machine
from llmgen.units import GIB, MIB

CARDS = Found("linux", "cuda", 62 * GIB, "/home/me", (("RTX 3090", 24576 * MIB),) * 2)
MAC = Found("macos", "metal", 64 * GIB, "/Users/me", unified=True)
APU = Found("linux", "rocm", 124 * GIB, "/home/me", (("GTT", 96 * GIB),), 96 * GIB, unified=True)
PLAIN = Found("linux", "cpu", 16 * GIB, "/home/me")


@pytest.mark.parametrize("found", [CARDS, MAC, APU, PLAIN])
def test_what_init_writes_loads_and_describes_the_machine(found):
    config = load([parse("llm.toml", document(found))])
    made = machine(config.hardware, config.budget)
    assert made.backend == found.backend
    if found.devices:
        assert [item.memory_bytes for item in made.devices] == [size for _, size in found.devices]


def test_a_mac_gets_the_profile_of_its_size():
    assert profile_of(MAC) == "apple-silicon-64gb"


def test_a_mac_of_an_unknown_size_still_says_what_it_needs():
    odd = Found("macos", "metal", 20 * GIB, "/Users/me", unified=True)
    assert profile_of(odd) == ""


def test_detected_versions_are_written_and_absent_ones_are_said_to_be_guesses():
    text = document(Found("linux", "cpu", GIB, "/h", build=11500))
    assert tomllib.loads(text)["llama_cpp"]["build"] == 11500
    assert "did not say" in text

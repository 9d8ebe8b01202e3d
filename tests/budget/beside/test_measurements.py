"""Measured bytes in the place of computed ones."""

import pytest
from making_facts import llama
from msgspec.structs import replace

from llmgen.budget.beside.measurements import settings_digest, with_measured
from llmgen.budget.estimate import estimate
from llmgen.budget.memory import DeviceMemory
from llmgen.budget.settings import DraftSettings, ServerSettings

SETTINGS = ServerSettings(ctx_size=4096, parallel=1)
SEEN = DeviceMemory("gpu0", 1, 2, 3)


def test_measured_devices_have_what_was_measured_and_no_margin():
    made = estimate(llama(), SETTINGS)
    found = with_measured(made, {"gpu0": SEEN})
    assert found.memory[1] == SEEN
    assert found.memory[0] == made.memory[0]
    assert {*found.margin} == {"host"}


def test_nothing_measured_changes_nothing():
    made = estimate(llama(), SETTINGS)
    assert with_measured(made, {}) == made


@pytest.mark.parametrize(
    "change",
    [
        {"ctx_size": 8192},
        {"cache_type_k": "q8_0"},
        {"devices": ("gpu1",)},
        {"override_tensor": (("a", "CPU"),)},
        {"draft": DraftSettings()},
        {"draft": DraftSettings(n_max=4)},
    ],
)
def test_whatever_moves_memory_has_a_digest_of_its_own(change):
    assert settings_digest(replace(SETTINGS, **change), 1) != settings_digest(SETTINGS, 1)


def test_so_has_each_build_and_equal_settings_have_one():
    assert settings_digest(SETTINGS, 1) != settings_digest(SETTINGS, 2)
    assert settings_digest(SETTINGS, 1) == settings_digest(replace(SETTINGS), 1)
    assert len(settings_digest(SETTINGS, 1)) == 16

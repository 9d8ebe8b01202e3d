import pytest
from making_facts import facts

from llmgen.budget.estimate import estimate
from llmgen.budget.server.arrivals import ARRIVALS
from llmgen.budget.settings import ServerSettings, SettingRefused
from llmgen.budget.shape.architectures import ARCHITECTURES

SETTINGS = ServerSettings(ctx_size=4096, parallel=1)
ARRIVAL = ARRIVALS["nanbeige"]
VALUES = {
    "block_count": 2,
    "embedding_length": 256,
    "context_length": 4096,
    "attention.head_count": 4,
}


@pytest.fixture
def model():
    return facts("nanbeige", VALUES)


def test_a_build_that_does_not_know_the_architecture_refuses_and_names_one_that_does(model):
    with pytest.raises(SettingRefused, match="does not know the architecture `nanbeige`") as told:
        estimate(model, SETTINGS, ARRIVAL.absent)
    assert f"build = {ARRIVAL.since}" in told.value.hint
    assert not estimate(model, SETTINGS, ARRIVAL.since).warnings


def test_a_build_between_the_last_without_and_the_first_with_is_warned_of(model):
    (warning,) = estimate(model, SETTINGS, ARRIVAL.absent + 1).warnings
    assert warning.endswith(f"may not know `nanbeige` yet; {ARRIVAL.since} does")


def test_every_arrival_is_an_architecture_with_rules():
    assert ARRIVALS.keys() <= ARCHITECTURES.keys()
    assert all(item.absent < item.since for item in ARRIVALS.values())

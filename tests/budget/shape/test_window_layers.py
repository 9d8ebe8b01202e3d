"""Which layers have a window: periods, lists and switches, as each loader sets them."""

import pytest
from making_facts import facts

from llmgen.budget.settings import SettingRefused
from llmgen.budget.shape.hyperparameters import hyperparameters

SMALL = {
    "block_count": 12,
    "embedding_length": 256,
    "context_length": 8192,
    "attention.head_count": 4,
}
WIDTH, PATTERN = "attention.sliding_window", "attention.sliding_window_pattern"


def windows(architecture, build=11434, **values):
    return hyperparameters(facts(architecture, {**SMALL, **values}), build).windows


def full(found):
    return [layer for layer, marked in enumerate(found.layers) if not marked]


@pytest.mark.parametrize(
    ("architecture", "layers"),
    [
        # `set_swa_pattern(n)`: the last of each n layers is full.
        ("gemma3", [5, 11]),
        ("gemma2", [1, 3, 5, 7, 9, 11]),
        ("cohere2", [3, 7, 11]),
        ("gpt-oss", [1, 3, 5, 7, 9, 11]),
        ("gemma3n", [4, 9]),
    ],
)
def test_a_period_ends_with_a_full_layer(architecture, layers):
    found = windows(architecture, **{WIDTH: 512})
    assert (found.used, found.width) == (True, 512)
    assert full(found) == layers


def test_a_list_of_the_header_replaces_the_period():
    listed = [True, False] * 6
    found = windows("gemma3", **{WIDTH: 512, PATTERN: listed})
    assert full(found) == [1, 3, 5, 7, 9, 11]


def test_older_builds_read_a_list_as_no_period_of_their_own():
    """Until b11040 the loaders of these read a number alone."""
    listed = [True, False] * 6
    found = windows("gemma3", 11028, **{WIDTH: 512, PATTERN: listed})
    assert full(found) == [5, 11]


def test_a_short_list_leaves_the_other_layers_full():
    assert full(windows("gemma3", **{WIDTH: 512, PATTERN: [True] * 4})) == [
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
    ]


def test_without_a_width_there_is_no_window():
    found = windows("llama")
    assert (found.used, found.width, set(found.layers)) == (False, 0, {False})


def test_a_window_that_has_to_be_there_is_asked_for():
    with pytest.raises(SettingRefused, match=WIDTH):
        windows("gpt-oss")


def test_plain_attention_ignores_a_window_of_its_header():
    """llama.cpp has no window for Qwen2, whatever the file says."""
    assert not windows("qwen2", **{WIDTH: 4096}).used

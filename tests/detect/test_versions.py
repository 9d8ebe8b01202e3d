"""What servers print about themselves; a number that nobody gave is none."""

import pytest

from llmgen.detect.versions import build_number, swap_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("version: 11434 (1a2b3c4)\nbuilt with cc", 11434),
        ("wrapper 2.0, build 9464\nversion: 2.0", 9464),
        ("version: 0 (unknown)", None),
        ("version: 1.2.3", None),
        ("", None),
    ],
)
def test_build_of_llama_server(text, number):
    assert build_number(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("version: 250 (abc), built at today", 250), ("version: v244", 244), ("version: 0", None)],
)
def test_version_of_llama_swap(text, number):
    assert swap_number(text) == number

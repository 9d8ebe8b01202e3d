"""Variables that take memory behind the plan's back."""

import pytest
from making import config

from llmgen.resolve import resolve

NAME = "GGML_CUDA_ENABLE_UNIFIED_MEMORY"


@pytest.mark.parametrize("table", ["hardware", "defaults"])
def test_managed_memory_is_warned_of_at_its_place(table):
    (found,) = resolve(config(f'{table}.environment.{NAME} = "1"\n', head=TOP), {}).notes
    assert (found.code, found.key) == ("hardware.managed-memory", (table, "environment", NAME))
    assert resolve(config(f'{table}.environment.{NAME} = "0"\n', head=TOP), {}).notes == ()


TOP = """
edition = 1
paths.home = "/h"
hardware.profile = "nvidia-24gb"
"""

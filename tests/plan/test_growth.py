"""Planning grows with the models, not with their square."""

import time

import pytest
from libraries import library, models

from llmgen.plan.place import place


def seconds(count):
    """CPU seconds to join and plan so many models."""
    text = models(*(f"m{number}" for number in range(count)), options="ctx_size = 4096")
    begin = time.process_time()
    place(library(text))
    return time.process_time() - begin


@pytest.mark.thorough
def test_time_grows_no_faster_than_the_models():
    seconds(50)
    # A square would be 36 times as long; half as much again is left for noise.
    few, many = seconds(200), seconds(1200)
    assert many < 10 * few

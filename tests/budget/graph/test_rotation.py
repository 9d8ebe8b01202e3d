"""How large the matrix is that rows of a cache are rotated with."""

import pytest

from llmgen.budget.graph.rotation import rotation_block


@pytest.mark.parametrize(
    ("width", "block"), [(64, 64), (128, 128), (192, 64), (576, 64), (1024, 1024), (0, 64), (7, 64)]
)
def test_block_is_the_largest_power_of_two_that_divides_a_row(width, block):
    assert rotation_block(width) == block

"""Rows in the types of a cache, by the constants of the `gguf` package, and rounding."""

import pytest
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from llmgen.budget.shape.rows import CACHE_TYPES, is_quantized, padded, row_bytes


@pytest.mark.parametrize("name", CACHE_TYPES)
def test_blocks_of_a_cache_are_those_of_ggml(name):
    assert CACHE_TYPES[name] == GGML_QUANT_SIZES[GGMLQuantizationType[name.upper()]]
    assert is_quantized(name) == (name not in {"f32", "f16", "bf16"})


@pytest.mark.parametrize(
    ("name", "elements", "size"),
    [("f16", 128, 256), ("f32", 128, 512), ("q8_0", 128, 136), ("q4_0", 1024, 576), ("q5_1", 64, 48)],
)  # fmt: skip
def test_bytes_of_a_row(name, elements, size):
    assert row_bytes(name, elements) == size


@pytest.mark.parametrize(
    ("count", "unit", "found"), [(0, 256, 0), (1, 256, 256), (256, 256, 256), (257, 256, 512)]
)
def test_counts_are_rounded_up(count, unit, found):
    assert padded(count, unit) == found

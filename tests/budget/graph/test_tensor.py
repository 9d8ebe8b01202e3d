"""Bytes and strides of tensors, by ggml's own formulas and the constants of the `gguf` package."""

import pytest
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from llmgen.budget.graph.tensor import KINDS, Tensor, is_contiguous, nbytes, strides

# Of ggml-common.h: the package does not know it. A half, and two bits for each element.
YOUNGER = {"q2_0": (64, 2 + 64 // 4)}


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_those_of_ggml(kind):
    expected = YOUNGER.get(kind) or GGML_QUANT_SIZES[GGMLQuantizationType[kind.upper()]]
    assert KINDS[kind] == expected


@pytest.mark.parametrize(
    ("kind", "ne", "expected"),
    [
        ("f32", (8, 4, 2, 3), (4, 32, 128, 256)),
        ("f16", (8, 4, 2, 3), (2, 16, 64, 128)),
        ("i64", (5, 1, 1, 1), (8, 40, 40, 40)),
        ("q8_0", (64, 4, 1, 1), (34, 68, 272, 272)),
        ("q4_K", (512, 2, 1, 1), (144, 288, 576, 576)),
    ],
)
def test_a_row_has_a_stride_of_its_blocks(kind, ne, expected):
    """`ggml_new_tensor_impl`: nb[1] is the type's size times the blocks of a row."""
    assert strides(kind, ne) == expected


@pytest.mark.parametrize(
    ("kind", "ne", "size"),
    [("f32", (8, 4, 2, 3), 768), ("q8_0", (64, 4, 1, 1), 272), ("mxfp4", (64, 3, 1, 1), 102)],
)
def test_without_gaps_the_bytes_are_those_of_all_rows(kind, ne, size):
    assert nbytes(kind, ne, strides(kind, ne)) == size


def test_a_view_ends_with_its_last_element_and_not_with_its_last_row():
    """`ggml_nbytes`: four columns of a row of ten, three rows: two whole strides and four floats."""
    assert nbytes("f32", (4, 3, 1, 1), (4, 40, 120, 120)) == 2 * 40 + 4 * 4


def test_a_view_of_quantised_rows_counts_whole_blocks():
    assert nbytes("q8_0", (32, 3, 1, 1), (34, 136, 408, 408)) == 2 * 136 + 34


def test_elements_that_lie_apart_are_counted_by_their_stride():
    """A transposed matrix: neighbours of the first extent are a row apart."""
    assert nbytes("f32", (3, 4, 1, 1), (16, 4, 48, 48)) == 48


@pytest.mark.parametrize("ne", [(0, 4, 1, 1), (4, 0, 1, 1), (4, 4, 0, 1), (4, 4, 1, 0)])
def test_an_extent_of_nothing_makes_no_bytes(ne):
    assert nbytes("f32", ne, strides("f32", (4, 4, 1, 1))) == 0


def made(ne, nb, kind="f32"):
    return Tensor("NONE", kind, ne, nb)


def test_a_gap_between_rows_is_seen():
    assert is_contiguous(made((8, 4, 1, 1), (4, 32, 128, 128)))
    assert not is_contiguous(made((8, 4, 1, 1), (4, 64, 256, 256)))


def test_strides_of_extents_of_one_do_not_count():
    """`ggml_is_contiguous_n` skips what has one element."""
    assert is_contiguous(made((8, 1, 1, 1), (4, 999, 7, 1)))
    assert not is_contiguous(made((8, 1, 2, 1), (4, 999, 999, 1)))


def test_a_transposed_matrix_has_gaps_everywhere():
    assert not is_contiguous(made((4, 8, 1, 1), (32, 4, 128, 128)))


def test_a_name_has_the_number_of_its_layer_and_a_view_its_operation():
    tensor = made((8, 1, 1, 1), (4, 32, 32, 32))
    tensor.name, tensor.layer = "Qcur", 3
    assert tensor.said == "Qcur-3"
    view = Tensor("RESHAPE", "f32", (4, 2, 1, 1), (4, 16, 32, 32), [tensor], tensor)
    assert view.said == "Qcur-3 (reshape)"
    tensor.layer = -1
    assert tensor.said == "Qcur"
    assert Tensor("ADD", "f32", tensor.ne, tensor.nb).said == "add"

"""Operations that write over what they read: `ggml_op_can_inplace` in ggml-alloc.c."""

import pytest

from llmgen.budget.graph.builder import Builder
from llmgen.budget.graph.ops import FOLLOWS_NEIGHBOURS, IN_PLACE, VIEWS
from llmgen.budget.graph.tensor import WEIGHT
from llmgen.budget.schedule.arena import Arena
from llmgen.budget.schedule.lives import Lives

# Read in ggml-alloc.c of b11434.
OVER = [
    *("FILL", "SCALE", "DIAG_MASK_ZERO", "DIAG_MASK_INF", "ADD", "ADD_ID", "ADD1", "SUB", "MUL"),
    *("DIV", "SQR", "SQRT", "LOG", "UNARY", "ROPE", "ROPE_BACK", "RMS_NORM", "SOFT_MAX", "CLAMP"),
]
# Of the same extents as their source, and yet of a place of their own.
BESIDE = ["NORM", "L2_NORM", "GROUP_NORM", "CPY", "DUP", "CONT", "SET", "CONCAT", "CUMSUM", "TRI"]
SIDE = 64


def room(op):
    """Bytes for a product and the operation on it, in places for one of them."""
    b = Builder()
    matrix = b.held("w", "f32", (SIDE, SIDE, 1, 1), home=0, flags=WEIGHT)
    given = b.held("x", "f32", (SIDE, SIDE, 1, 1), home=0)
    b.expand(b.each(op, b.mul_mat(matrix, given)))
    for tensor in (*b.leafs, *b.nodes):
        tensor.backend = 0
    arena = Arena()
    Lives().run(b.leafs, b.nodes).replay([arena], 0, 0)
    return arena.peak // (4 * SIDE * SIDE)


@pytest.mark.parametrize("op", OVER)
def test_takes_the_place_of_its_source(op):
    assert room(op) == 1


@pytest.mark.parametrize("op", BESIDE)
def test_needs_a_place_beside_its_source(op):
    assert room(op) == 2


def test_views_compute_nothing():
    """`ggml_is_view_op`."""
    assert {"VIEW", "RESHAPE", "PERMUTE", "TRANSPOSE"} == VIEWS
    assert not VIEWS & (IN_PLACE | FOLLOWS_NEIGHBOURS)


def test_small_weights_pull_no_operation_to_their_backend():
    """`ggml_backend_sched_backend_id_from_cur`: factors of rotations and sinks are too small."""
    assert {"ROPE", "FLASH_ATTN_EXT"} == FOLLOWS_NEIGHBOURS

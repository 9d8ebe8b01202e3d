"""Extents, types and sources of what each operation makes, as the functions of ggml.c say."""

import pytest

from llmgen.budget.graph.builder import Builder, dense, size
from llmgen.budget.graph.tensor import INPUT, NOWHERE, WEIGHT, is_contiguous


@pytest.fixture
def b():
    return Builder()


def f32(b, *ne):
    return b.input("x", "f32", *ne)


def ids(b, *ne):
    return b.input("ids", "i32", *ne)


# What is made of [64, 8, 3], its extents and its type.
RESULTS = {
    "mul_mat": (lambda b: b.mul_mat(f32(b, 64, 32), f32(b, 64, 8, 3)), (32, 8, 3, 1), "f32"),
    "mul_mat of f16": (
        lambda b: b.mul_mat(b.input("w", "f16", 64, 32), f32(b, 64, 8)),
        (32, 8, 1, 1),
        "f32",
    ),
    "mul_mat_id": (
        lambda b: b.mul_mat_id(f32(b, 64, 32, 16), f32(b, 64, 1, 8), ids(b, 2, 8)),
        (32, 2, 8, 1),
        "f32",
    ),
    "get_rows": (lambda b: b.get_rows(f32(b, 64, 100), ids(b, 8)), (64, 8, 1, 1), "f32"),
    "get_rows of f16": (
        lambda b: b.get_rows(b.input("w", "f16", 64, 100), ids(b, 8)),
        (64, 8, 1, 1),
        "f32",
    ),
    "get_rows of i32": (lambda b: b.get_rows(ids(b, 64, 100), ids(b, 8)), (64, 8, 1, 1), "i32"),
    "get_rows of planes": (
        lambda b: b.get_rows(f32(b, 1, 16, 8), ids(b, 2, 8)),
        (1, 2, 8, 1),
        "f32",
    ),
    "concat, first extent": (
        lambda b: b.concat(f32(b, 64, 8), f32(b, 3, 8), 0),
        (67, 8, 1, 1),
        "f32",
    ),
    "concat, second extent": (
        lambda b: b.concat(f32(b, 64, 8), f32(b, 64, 2), 1),
        (64, 10, 1, 1),
        "f32",
    ),
    "pad": (lambda b: b.pad(f32(b, 64, 8, 3), 0, 2, 1), (64, 10, 4, 1), "f32"),
    "repeat": (lambda b: b.repeat(f32(b, 64, 1), 64, 8, 3), (64, 8, 3, 1), "f32"),
    "sum_rows": (lambda b: b.sum_rows(f32(b, 64, 8, 3)), (1, 8, 3, 1), "f32"),
    "argsort": (lambda b: b.argsort(f32(b, 64, 8)), (64, 8, 1, 1), "i32"),
    "top_k": (lambda b: b.argsort_top_k(f32(b, 64, 8), 6), (6, 8, 1, 1), "i32"),
    "glu of two": (lambda b: b.glu(f32(b, 64, 8), f32(b, 64, 8)), (64, 8, 1, 1), "f32"),
    "glu of halves": (lambda b: b.glu(f32(b, 64, 8)), (32, 8, 1, 1), "f32"),
    "flash attention": (
        # Queries of 8 tokens and 4 heads, 256 cells and 2 heads of K and V: [head, heads, tokens].
        lambda b: b.flash_attention(
            f32(b, 64, 8, 4), f32(b, 64, 256, 2), f32(b, 48, 256, 2), f32(b, 256, 8)
        ),
        (48, 4, 8, 1),
        "f32",
    ),
    "cast": (lambda b: b.cast(f32(b, 64, 8), "f16"), (64, 8, 1, 1), "f16"),
    "cont": (lambda b: b.cont(f32(b, 64, 8)), (64, 8, 1, 1), "f32"),
    "cont with extents": (lambda b: b.cont(f32(b, 64, 8), 512), (512, 1, 1, 1), "f32"),
    "softmax": (lambda b: b.softmax(f32(b, 256, 8, 4)), (256, 8, 4, 1), "f32"),
    "rope": (lambda b: b.rope(f32(b, 64, 4, 8), ids(b, 8)), (64, 4, 8, 1), "f32"),
    "add": (lambda b: b.add(f32(b, 64, 8), f32(b, 64)), (64, 8, 1, 1), "f32"),
    "filled": (lambda b: b.filled("f32", 64, 8), (64, 8, 1, 1), "f32"),
}


@pytest.mark.parametrize("name", RESULTS)
def test_result_of_an_operation(name, b):
    make, ne, kind = RESULTS[name]
    found = make(b)
    assert (found.ne, found.kind) == (ne, kind)


@pytest.mark.parametrize("name", [name for name in RESULTS if name != "top_k"])
def test_a_result_has_no_gaps_and_knows_its_bytes(name, b):
    found = RESULTS[name][0](b)
    assert is_contiguous(found)
    assert found.bytes == size(found)


def test_the_largest_of_a_row_are_a_view_of_the_whole_order(b):
    """`ggml_argsort_top_k`: the order of all 64 stays, 6 of each row are looked at."""
    found = b.argsort_top_k(f32(b, 64, 8), 6)
    assert found.root.op == "ARGSORT"
    assert found.nb == (4, 256, 2048, 2048)
    assert size(found) == 7 * 256 + 6 * 4


def test_a_view_has_the_strides_that_it_is_given_and_implies_the_rest(b):
    of = f32(b, 64, 8, 3)
    assert b.view(of, (16,), ()).nb == (4, 64, 64, 64)
    assert b.view(of, (16, 8), (256,)).nb == (4, 256, 2048, 2048)
    assert b.view(of, (16, 8, 3), (256, 2048)).nb == (4, 256, 2048, 6144)
    assert b.view(of, (16, 2, 8, 3), (64, 256, 2048)).nb == (4, 64, 256, 2048)


def test_a_view_of_a_view_is_one_of_what_that_is_of(b):
    """`ggml_view_impl` keeps `view_src` of its source."""
    of = f32(b, 64, 8)
    second = b.reshape(b.view(of, (64, 4), (256,)), 32, 8)
    assert second.root is of
    assert second.bytes == 0


def test_to_permute_moves_extents_and_strides_alike(b):
    """`ggml_permute(a, 0, 2, 1, 3)`: heads and tokens change places."""
    found = b.permute(f32(b, 64, 4, 8), 0, 2, 1, 3)
    assert (found.ne, found.nb) == ((64, 8, 4, 1), (4, 1024, 256, 8192))


def test_an_axis_says_where_its_extent_goes(b):
    """`ggml_permute(a, 2, 0, 1, 3)`: the first extent becomes the third."""
    found = b.permute(f32(b, 64, 4, 8), 2, 0, 1, 3)
    assert (found.ne, found.nb) == ((4, 8, 64, 1), (256, 1024, 4, 8192))


def test_to_transpose_twice_is_nothing(b):
    of = f32(b, 64, 8)
    once = b.transpose(of)
    assert (once.ne, once.nb) == ((8, 64, 1, 1), (256, 4, 2048, 2048))
    assert (b.transpose(once).ne, b.transpose(once).nb) == (of.ne, of.nb)


def test_what_has_gaps_is_copied_and_what_has_none_is_not(b):
    of = f32(b, 64, 8)
    assert dense(b, of) is of
    copied = dense(b, b.transpose(of))
    assert (copied.op, copied.ne, copied.nb) == ("CONT", (8, 64, 1, 1), (4, 32, 2048, 2048))


def test_rows_that_are_set_are_the_cache_and_need_no_room(b):
    """`ggml_set_rows` returns a view of its destination."""
    cache = b.held("cache_k_l0", "f16", (64, 256, 1, 1), home=0)
    stored = b.set_rows(cache, f32(b, 64, 8), b.input("idxs", "i64", 8))
    assert stored.root is cache
    assert (stored.ne, stored.kind, stored.bytes) == (cache.ne, "f16", 0)
    assert stored.sources[-1] is cache


def test_a_copy_over_a_view_is_of_what_the_view_is_of(b):
    cache = b.held("cache_r_l0", "f32", (64, 4, 1, 1), home=0)
    part = b.view(cache, (64, 2), (256,))
    assert b.copy(f32(b, 64, 2), part).root is cache


def test_in_place_writes_over_the_first_source(b):
    of = b.mul_mat(f32(b, 64, 32), f32(b, 64, 8))
    assert b.in_place("SCALE", of).root is of
    assert b.each("SCALE", of).root is None


def test_sources_that_are_not_there_are_left_out(b):
    scores = f32(b, 256, 8, 4)
    assert b.softmax(scores).sources == [scores]
    mask = f32(b, 256, 8)
    assert b.softmax(scores, mask).sources == [scores, mask]


def test_sources_come_before_what_reads_them_and_once(b):
    x, w = f32(b, 64, 8), b.held("w", "f16", (64, 64, 1, 1), home=0, flags=WEIGHT)
    product = b.mul_mat(w, x)
    total = b.add(b.unary(product), product)
    assert b.expand(total) is total
    b.expand(product)
    assert [node.op for node in b.nodes] == ["MUL_MAT", "UNARY", "ADD"]
    assert b.leafs == [w, x]


def test_inputs_are_flagged_and_nowhere_yet_and_weights_have_their_home(b):
    x = f32(b, 64)
    w = b.held("output.weight", "q8_0", (64, 32, 1, 1), home=1, flags=WEIGHT, layer=5)
    assert (x.flags, x.home) == (INPUT, NOWHERE)
    assert (w.flags, w.home, w.layer, w.nb) == (WEIGHT, 1, 5, (34, 68, 2176, 2176))

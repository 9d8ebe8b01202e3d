"""Which backend computes what: the passes of `ggml_backend_sched_split_graph`, one by one."""

from llmgen.budget.graph.builder import Builder
from llmgen.budget.graph.tensor import WEIGHT
from llmgen.budget.schedule.assign import assign, holder

FIRST, SECOND, HOST = 0, 1, 2
SIDE = 64


def matrix(b, home):
    return b.held("w", "f32", (SIDE, SIDE, 1, 1), home=home, flags=WEIGHT)


def product(b, of, home):
    return b.mul_mat(matrix(b, home), of)


def assigned(b, *results):
    for result in results:
        b.expand(result)
    return assign(b, HOST)


def test_inputs_are_on_the_host():
    b = Builder()
    x = b.input("x", "f32", SIDE)
    assigned(b, product(b, x, FIRST))
    assert x.backend == HOST


def test_a_product_runs_where_its_matrix_is():
    b = Builder()
    found = product(b, b.input("x", "f32", SIDE), SECOND)
    assigned(b, found)
    assert found.backend == SECOND


def test_what_is_over_a_cache_runs_where_the_cache_is():
    b = Builder()
    cache = b.held("cache_k_l0", "f16", (SIDE, 256, 1, 1), home=HOST)
    rows = product(b, b.input("x", "f32", SIDE), FIRST)
    stored = b.set_rows(cache, rows, b.input("idxs", "i64", 1))
    assigned(b, stored)
    assert stored.backend == HOST


def test_devices_spread_down_before_they_spread_up():
    """Between two devices the one before has it: pass 2 goes down first."""
    b = Builder()
    between = b.unary(product(b, b.input("x", "f32", SIDE), FIRST))
    assigned(b, product(b, between, SECOND))
    assert between.backend == FIRST


def test_what_is_before_the_first_product_goes_up_to_its_device():
    b = Builder()
    first = b.unary(b.input("x", "f32", SIDE))
    assigned(b, product(b, first, SECOND))
    assert first.backend == SECOND


def test_the_host_spreads_only_where_no_device_does():
    b = Builder()
    behind_host = b.unary(product(b, b.input("x", "f32", SIDE), HOST))
    assigned(b, behind_host)
    assert behind_host.backend == HOST
    b = Builder()
    behind_host = b.unary(product(b, b.input("x", "f32", SIDE), HOST))
    assigned(b, product(b, behind_host, FIRST))
    assert behind_host.backend == FIRST


def test_a_device_does_not_spread_over_what_the_host_computes():
    """The host's node ends the run of a device; behind it the device is not the current one."""
    b = Builder()
    on_device = product(b, b.input("x", "f32", SIDE), FIRST)
    on_host = product(b, b.unary(on_device), HOST)
    last = b.unary(on_host)
    assigned(b, last)
    assert (on_device.backend, on_host.backend, last.backend) == (FIRST, HOST, HOST)


def test_factors_of_a_rotation_do_not_decide_where_it_runs():
    b = Builder()
    factors = b.held("rope_freqs.weight", "f32", (SIDE // 2, 1, 1, 1), home=SECOND, flags=WEIGHT)
    queries = product(b, b.input("x", "f32", SIDE), FIRST)
    turned = b.rope(queries, b.input("inp_pos", "i32", 1), factors)
    assigned(b, turned)
    assert turned.backend == FIRST


def test_weights_of_a_norm_do():
    b = Builder()
    scale = b.held("attn_norm.weight", "f32", (SIDE, 1, 1, 1), home=SECOND, flags=WEIGHT)
    normed = b.mul(b.each("RMS_NORM", product(b, b.input("x", "f32", SIDE), FIRST)), scale)
    assigned(b, normed)
    assert normed.backend == SECOND


def test_views_are_where_what_they_are_of_is_and_not_among_what_is_computed():
    b = Builder()
    found = product(b, b.input("x", "f32", SIDE), SECOND)
    view = b.reshape(found, SIDE // 2, 2)
    last = product(b, b.cont(view, SIDE), FIRST)
    computed = assigned(b, last)
    assert view.backend == SECOND
    assert view not in computed
    assert [node.op for node in computed] == ["MUL_MAT", "CONT", "MUL_MAT"]


def test_a_backend_that_was_tied_stays():
    b = Builder()
    found = b.unary(product(b, b.input("x", "f32", SIDE), FIRST))
    found.backend = HOST
    assigned(b, product(b, found, FIRST))
    assert found.backend == HOST


def test_in_whose_buffer_a_tensor_is():
    b = Builder()
    weight = matrix(b, SECOND)
    weight.backend = FIRST
    assert holder(weight) == SECOND
    made = b.unary(b.input("x", "f32", SIDE))
    assert holder(made) < 0
    made.backend = FIRST
    assert holder(made) == FIRST
    assert holder(b.reshape(made, 8, 8)) == FIRST
    assert holder(b.reshape(weight, 8, 512)) == SECOND


def test_a_view_of_a_weight_is_where_the_weight_is_even_on_the_first_device():
    b = Builder()
    view = b.reshape(matrix(b, FIRST), 8, 512)
    view.backend = HOST
    assert holder(view) == FIRST


def test_of_equally_near_backends_the_first_computes():
    """Pass 3 counts the sources that are there, and keeps the first of equal ones."""
    b = Builder()
    one = b.held("cache_k_l0", "f32", (SIDE, 1, 1, 1), home=SECOND)
    two = b.held("cache_v_l0", "f32", (SIDE, 1, 1, 1), home=HOST)
    total = b.add(one, two)
    assigned(b, total)
    assert total.backend == SECOND

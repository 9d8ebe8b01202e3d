"""Backends of nodes, splits between them, and the copies that they get."""

from llmgen.budget.graph.builder import Builder
from llmgen.budget.graph.tensor import OUTPUT, WEIGHT
from llmgen.budget.schedule.split import COPIES, schedule

HOST = 2


def product(b, of, home):
    matrix = b.held("w", "f32", (64, 64, 1, 1), home=home, flags=WEIGHT)
    return b.mul_mat(matrix, of)


def described(*homes):
    """Products with weights at ``homes``, a function behind each."""
    b = Builder()
    stream = b.input("x", "f32", 64)
    made = []
    for home in homes:
        made.append(product(b, stream, home))
        stream = b.unary(made[-1])
        made.append(stream)
    b.expand(stream)
    return b, made


def test_nodes_run_where_their_weights_are_and_others_where_their_neighbours_do():
    b, made = described(0, 1, HOST)
    schedule(b, HOST)
    assert [node.backend for node in made] == [0, 0, 1, 1, HOST, HOST]


def test_devices_take_what_the_host_does_not_tie():
    b = Builder()
    first = product(b, b.input("x", "f32", 64), HOST)
    between = b.unary(first)
    b.expand(product(b, between, 0))
    schedule(b, HOST)
    assert between.backend == 0


def test_every_split_gets_a_copy_of_what_it_reads_elsewhere():
    b, _ = described(0, 1)
    plan = schedule(b, HOST)
    copies = [node for node in plan.nodes if node.op == "NONE" and node.root is None]
    assert [node.backend for node in copies] == [0, 1]


def test_with_several_devices_inputs_have_four_copies_that_are_never_overwritten():
    b, _ = described(0, 1)
    plan = schedule(b, HOST, copies=COPIES)
    assert len(plan.leafs) - len(b.leafs) == 3 * COPIES
    assert all(leaf.flags & OUTPUT for leaf in plan.leafs if leaf.home < 0)


def test_views_of_a_cache_are_where_the_cache_is():
    b = Builder()
    cache = b.held("cache_k_l0", "f16", (64, 256, 1, 1), home=HOST)
    rows = product(b, b.input("x", "f32", 64), 0)
    store = b.set_rows(cache, rows, b.input("places", "i64", 1))
    b.expand(store)
    schedule(b, HOST)
    assert (rows.backend, store.backend) == (0, HOST)

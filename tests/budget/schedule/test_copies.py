"""Where a graph is cut, and what each part is sent: passes 5 and 6 of the scheduler."""

import pytest

from llmgen.budget.graph.builder import Builder
from llmgen.budget.graph.tensor import INPUT, OUTPUT, WEIGHT
from llmgen.budget.schedule.split import COPIES, schedule

FIRST, SECOND, HOST = 0, 1, 2
SIDE = 64


def product(b, of, home):
    matrix = b.held("w", "f32", (SIDE, SIDE, 1, 1), home=home, flags=WEIGHT)
    return b.mul_mat(matrix, of)


def copies(plan):
    """What is sent, and to which backend."""
    return [
        (node.name, node.backend)
        for node in plan.nodes
        if node.op == "NONE" and node.root is None and not node.sources
    ]


def test_one_backend_needs_no_copies_and_its_graph_stays_as_it_is():
    b = Builder()
    b.expand(b.unary(product(b, b.input("x", "f32", SIDE), 0)))
    plan = schedule(b, 0)
    assert plan.nodes is b.nodes
    assert {tensor.backend for tensor in (*plan.nodes, *plan.leafs)} == {0}


def test_what_several_nodes_of_a_part_read_is_sent_once():
    b = Builder()
    x = b.input("x", "f32", SIDE)
    b.expand(b.add(product(b, x, FIRST), product(b, x, FIRST)))
    assert copies(schedule(b, HOST)) == [("x", FIRST)]


def test_what_parts_of_one_backend_read_is_sent_once_to_all_of_them():
    """`tensor_id_copy` is one for each backend, not for each split."""
    b = Builder()
    x = b.input("x", "f32", SIDE)
    there = product(b, x, FIRST)
    away = product(b, there, SECOND)
    b.expand(b.add(product(b, away, FIRST), product(b, x, FIRST)))
    sent = copies(schedule(b, HOST))
    assert [what for what in sent if what == ("x", FIRST)] == [("x", FIRST)]
    assert len(sent) == 3


def test_the_reader_reads_the_copy():
    b = Builder()
    x = b.input("x", "f32", SIDE)
    found = product(b, x, FIRST)
    b.expand(found)
    schedule(b, HOST)
    assert found.sources[1] is not x
    assert (found.sources[1].name, found.sources[1].ne) == ("x", x.ne)


def test_what_is_sent_is_kept_by_a_view_until_then():
    b = Builder()
    first = product(b, b.input("x", "f32", SIDE), FIRST)
    b.expand(product(b, first, SECOND))
    plan = schedule(b, HOST)
    place = next(at for at, node in enumerate(plan.nodes) if node.root is first)
    assert plan.nodes[place].sources == [first]
    assert plan.nodes[place + 1].backend == SECOND


def test_a_product_with_weights_of_elsewhere_begins_a_part_of_its_own():
    """Its weights are copied, and those of the part before may then be freed."""
    b = Builder()
    x = b.input("x", "f32", SIDE)
    one, two = product(b, x, HOST), product(b, x, HOST)
    one.backend = two.backend = FIRST
    b.expand(b.add(one, two))
    plan = schedule(b, HOST)
    sent = [name for name, _ in copies(plan)]
    assert sent == ["w", "x", "w"]
    order = [id(node) for node in plan.nodes]
    assert order.index(id(one)) < order.index(id(two.sources[0])) < order.index(id(two))


def many(count):
    """A sum of ``count`` inputs on one device."""
    b = Builder()
    total = product(b, b.input("x", "f32", SIDE), FIRST)
    for number in range(count):
        total = b.add(total, b.input(f"x{number}", "f32", SIDE))
    b.expand(total)
    return b


@pytest.mark.parametrize(("most", "in_front"), [(0, 9), (3, 3), (5, 5)])
def test_a_part_that_is_full_of_inputs_ends(most, in_front):
    """`GGML_SCHED_MAX_SPLIT_INPUTS`: copies of the first part all come before its first node."""
    plan = schedule(many(8), HOST, most=most)
    first = next(at for at, node in enumerate(plan.nodes) if node.op == "MUL_MAT")
    sent = [node for node in plan.nodes[:first] if node.op == "NONE" and node.root is None]
    assert len(sent) == in_front
    assert len(copies(plan)) == 9


def test_a_full_part_goes_on_with_what_it_has():
    b = Builder()
    x = b.input("x", "f32", SIDE)
    total = product(b, x, FIRST)
    for _ in range(3):
        total = b.add(total, x)
    b.expand(total)
    plan = schedule(b, HOST, most=1)
    assert copies(plan) == [("x", FIRST)]


def test_with_pipeline_copies_every_input_is_there_four_times_and_kept():
    """`GGML_SCHED_MAX_COPIES` is 4; they are flagged so that no allocator writes over them."""
    b = Builder()
    x = b.input("x", "f32", SIDE)
    b.expand(product(b, x, FIRST))
    plan = schedule(b, HOST, copies=COPIES)
    at_home = [leaf for leaf in plan.leafs if leaf.backend == HOST and leaf.home < 0]
    sent = [leaf for leaf in plan.leafs if leaf.backend == FIRST and leaf.home < 0]
    assert (COPIES, len(sent)) == (4, 4)
    assert len(at_home) == 4 + 1  # the graph's own leaf is listed with its copies, and again
    assert x.flags & OUTPUT
    assert all(leaf.flags == INPUT | OUTPUT for leaf in sent)


def test_without_them_a_copy_is_free_once_it_was_read():
    b = Builder()
    b.expand(product(b, b.input("x", "f32", SIDE), FIRST))
    plan = schedule(b, HOST)
    (sent,) = (node for node in plan.nodes if node.op == "NONE" and node.root is None)
    assert sent.flags == 0
    assert plan.leafs == b.leafs

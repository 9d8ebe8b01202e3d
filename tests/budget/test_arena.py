"""The arena gives places as ggml's allocator does."""

from llmgen.budget.arena import Arena

KIB = 1024


def test_block_takes_the_smallest_hole_that_it_fits():
    arena = Arena()
    wide, _, narrow, _ = [arena.take(size * KIB) for size in (8, 1, 4, 1)]
    arena.give(wide)
    arena.give(narrow)
    assert arena.take(3 * KIB) == narrow
    assert arena.take(3 * KIB) == wide


def test_block_that_fits_no_hole_lies_behind_all_others():
    arena = Arena()
    hole, last = arena.take(4 * KIB), arena.take(KIB)
    arena.give(hole)
    assert arena.take(5 * KIB) == last + KIB
    assert arena.peak == 10 * KIB


def test_holes_that_touch_become_one():
    arena = Arena()
    first, second, _ = [arena.take(2 * KIB) for _ in range(3)]
    arena.give(second)
    arena.give(first)
    assert arena.take(4 * KIB) == first
    assert arena.peak == 6 * KIB


def test_successor_is_taken_before_its_source_is_given_back():
    arena = Arena()
    at = arena.take(2 * KIB)
    assert arena.move(at, KIB) == at + 2 * KIB
    assert arena.take(2 * KIB) == at

"""The arena: which hole a tensor gets, and what is left behind it."""

from llmgen.budget.schedule.arena import Arena


def test_nothing_is_needed_before_anything_is_taken():
    assert Arena(32).peak == 0


def test_alignment_is_that_of_a_cpu_unless_it_is_said():
    arena = Arena()
    arena.take(1)
    assert arena.peak == 32


def test_sizes_are_padded_to_the_alignment():
    arena = Arena(32)
    assert (arena.take(1), arena.take(33), arena.peak) == (0, 32, 96)


def test_the_smallest_hole_that_fits_is_taken_and_the_last_of_equal_ones():
    arena = Arena(32)
    places = [arena.take(size) for size in (64, 32, 32, 32, 32, 32, 96)]
    for place, size in ((places[0], 64), (places[2], 32), (places[4], 32)):
        arena.give(place, size)
    assert arena.take(32) == places[4]
    assert arena.take(32) == places[2]
    assert arena.take(32) == places[0]


def test_holes_that_touch_become_one():
    arena = Arena(32)
    first, second, third = (arena.take(32) for _ in range(3))
    arena.take(32)
    arena.give(first, 32)
    arena.give(third, 32)
    arena.give(second, 32)
    assert arena.take(96) == first


def test_the_peak_stays_when_all_is_given_back():
    arena = Arena(32)
    arena.give(arena.take(320), 320)
    arena.take(64)
    assert arena.peak == 320


def test_nothing_takes_no_room():
    arena = Arena(32)
    place = arena.take(0)
    arena.take(32)
    arena.give(place, 0)
    assert arena.peak == 32


def holes(arena):
    return [(start, room) for start, room in arena.holes[:-1]]


def test_an_empty_hole_keeps_those_around_it_apart():
    # ggml_dyn_tallocr_free_bytes: what is given back touches no hole, and goes in front of those behind its start.
    arena = Arena(32)
    wide, middle, last = arena.take(64), arena.take(64), arena.take(64)
    arena.take(32)
    arena.holes.insert(0, (wide + 32, 0))
    arena.give(wide, 64)
    assert holes(arena) == [(wide, 64), (wide + 32, 0)]
    arena.give(last, 64)
    arena.give(middle, 64)
    assert holes(arena) == [(wide, 128), (wide + 32, 0), (last, 64)]

"""What is replayed for other counts of cells: takes, gives, marks."""

import pytest

from llmgen.budget.schedule.arena import Arena
from llmgen.budget.schedule.tape import FULL, WINDOWED, CellBytes, Tape, sized


@pytest.mark.parametrize(
    ("number", "constant", "full", "windowed"),
    [
        (0, 0, 0, 0),
        (4096, 4096, 0, 0),
        (FULL, 0, 1, 0),
        (2 * FULL, 0, 2, 0),
        (2 * FULL + 64, 64, 2, 0),
        (1024 * WINDOWED + 2 * FULL + 32, 32, 2, 1024),
        (FULL - 1, -1, 1, 0),
        (WINDOWED - FULL, 0, -1, 1),
    ],
)
def test_a_size_is_a_number_and_one_for_each_cell(number, constant, full, windowed):
    assert sized(number) == CellBytes(constant, full, windowed)


def test_the_bytes_of_other_counts_of_cells():
    assert CellBytes(64, 2, 1024).of(4096, 512) == 64 + 8192 + 524288


def tape(events, *sizes, backends=None, marked=()):
    return Tape([*events], backends or [0] * len(sizes), [*sizes], [*marked])


def test_what_is_given_back_is_taken_again():
    arena = Arena()
    tape((0, 1, 2), CellBytes(64, 0, 0), CellBytes(64, 0, 0)).replay([arena], 0, 0)
    assert arena.peak == 64


def test_each_backend_has_its_arena():
    arenas = [Arena(), Arena()]
    sizes = CellBytes(64, 0, 0), CellBytes(0, 2, 0)
    tape((0, 2), *sizes, backends=[0, 1]).replay(arenas, 256, 0)
    assert [arena.peak for arena in arenas] == [64, 512]


def test_cells_of_windows_are_counted_by_themselves():
    arena = Arena()
    tape((0,), CellBytes(32, 2, 4)).replay([arena], 256, 64)
    assert arena.peak == 32 + 512 + 256


def test_a_mark_has_the_holes_of_all_arenas_at_that_place():
    arenas = [Arena(), Arena()]
    found = tape((-1, 0, -2), CellBytes(64, 0, 0), marked=(0, 0)).replay(arenas, 0, 0)
    assert [hole[0] for hole in (found[0][0][0], found[1][0][0])] == [0, 64]
    assert found[0][1] == found[1][1]

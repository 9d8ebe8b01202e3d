"""Peaks of a tape as functions of the cells."""

import random

import pytest

from llmgen.budget.schedule.arena import Arena
from llmgen.budget.schedule.pieces import piece
from llmgen.budget.schedule.tape import CellBytes, Tape

COUNTS = (256, 512, 1024, 4096, 4352, 16384, 100096, 131072)


def drawn(seed: int) -> Tape:
    """Tensors of random sizes, some with the cells, that come and go on two backends."""
    source = random.Random(seed)
    tape, alive = Tape([], [], [], [0, 0]), []
    for slot in range(60):
        full = source.choice((0, 0, 0, 2, 4, 1024))
        windowed = source.choice((0, 0, 2))
        tape.sizes.append(CellBytes(source.choice((32, 100, 4096, 2**20, 2**22)), full, windowed))
        tape.backends.append(source.randrange(2))
        tape.events.append(2 * slot)
        alive.append(slot)
        while alive and source.random() < 0.5:
            tape.events.append(2 * alive.pop(source.randrange(len(alive))) + 1)
    tape.events += [-1, -2]
    return tape


def replayed(tape: Tape, cells: int) -> list[int]:
    arenas = [Arena(), Arena()]
    tape.replay(arenas, cells, 512)
    return [arena.peak for arena in arenas]


@pytest.mark.parametrize("seed", range(40))
def test_a_piece_has_the_peaks_of_every_count_in_its_range(seed):
    tape = drawn(seed)
    for here in COUNTS:
        found = piece(tape, 2, here, 512, [(0, 1)])
        assert found.first <= here <= found.last
        assert found.settled
        near = (-(-found.first // 256) * 256, min(found.last, 2**20) // 256 * 256)
        for cells in {here, *COUNTS, *near}:
            if found.first <= cells <= found.last:
                peaks = [constant + each * cells for constant, each in found.peaks]
                assert peaks == replayed(tape, cells)


def test_arenas_that_differ_are_not_settled():
    tape = Tape([-1, 0, -2], [0], [CellBytes(64, 0, 0)], [0, 0])
    assert not piece(tape, 1, 256, 0, [(0, 1)]).settled


def test_arenas_with_the_same_holes_are_not_settled_where_results_changed_places():
    # Two tensors are alive at each mark; the one that is marked lies in front, then behind.
    tape = Tape([0, 2, -1, 3, 4, 1, 6, -2], [0] * 4, [CellBytes(64, 0, 0)] * 4, [0, 2])
    assert not piece(tape, 1, 256, 0, [(0, 1)]).settled
    tape.marked[1] = 3
    assert piece(tape, 1, 256, 0, [(0, 1)]).settled


def test_a_hole_that_fits_exactly_is_a_range_of_one_count():
    # Taken, given back, and something takes its place that is as large at 256 cells alone.
    sizes = [CellBytes(256, 0, 0), CellBytes(32, 0, 0), CellBytes(0, 1, 0)]
    tape = Tape([0, 2, 1, 4], [0, 0, 0], sizes, [])
    found = piece(tape, 1, 256, 0, [])
    assert (found.first, found.last) == (256, 256)
    assert found.peaks == ((288, 0),)

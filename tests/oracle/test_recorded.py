"""llmgen's estimates against what llama.cpp allocated, for every recorded answer."""

import statistics
from collections.abc import Callable
from functools import cache

import pytest
import readers

from llmgen.budget.graph.general import is_described
from oracle import grid
from oracle.comparison import Pair, all_facts, error, is_answered, is_published, pairs, said
from oracle.grid import Point

FILES = sorted(grid.DATA.glob("answers-b*.json.xz"))
BUILDS = [int(path.name[len("answers-b") : -len(".json.xz")]) for path in FILES]

# What the total device memory of published models may be off by, over the whole recorded grid.
MEDIAN, P99, WORST = 0.0, 0.0, 0.0002


# One point of so many is compared at once, all in CI. No count of settings is a multiple of a prime: over the models each comes up.
EVERY = 149
EVERY_OF_OTHERS = 379


@cache
def recorded(build: int) -> list[Point]:
    """What the build answered."""
    return list(grid.recorded(grid.DATA / f"answers-b{build}.json.xz"))


@cache
def compared(build: int) -> list[Pair]:
    """The recorded points of a build with our estimate; all of them where every reader has to be there."""
    step = EVERY if build == grid.WHOLE else EVERY_OF_OTHERS
    points = recorded(build)
    return list(pairs(points if readers.required() else points[build % step :: step]))


def answered(build: int) -> list[Pair]:
    """The points for which the server starts and we say so."""
    return [pair for pair in compared(build) if is_answered(pair)]


def published(build: int) -> list[Pair]:
    """Those of them with the true shape of a published model."""
    return [pair for pair in answered(build) if is_published(pair)]


def wrong(found: list[Pair], is_right: Callable[[Pair], bool]) -> list[str]:
    """The points, in words, where ``is_right`` does not hold."""
    return [said(pair.point) for pair in found if not is_right(pair)]


def same(pair: Pair, column: int) -> bool:
    """Whether we have the oracle's bytes on every device."""
    ours, theirs = pair.column(column)
    return ours == theirs


def test_recorded_grid_covers_what_it_claims():
    points = recorded(grid.WHOLE)
    assert len({point.model for point in points if not point.model.startswith("fixture/")}) >= 40
    assert len({point.model for point in points if point.model.startswith("fixture/")}) >= 120
    assert len(points) >= 10_000
    assert len(BUILDS) >= 5
    assert min(BUILDS) <= 9464


@pytest.mark.parametrize("build", BUILDS)
def test_context_is_exact_to_the_byte(build):
    assert wrong(answered(build), lambda pair: same(pair, 1)) == []


@pytest.mark.parametrize("build", BUILDS)
def test_weights_on_each_device_are_exact(build):
    assert wrong(answered(build), lambda pair: same(pair, 0)) == []


@pytest.mark.parametrize("build", BUILDS)
def test_context_size_and_request_limit_are_the_servers(build):
    def right(pair):
        return (pair.ours.n_ctx, pair.ours.n_ctx_seq) == (
            pair.point.answer["n_ctx"],
            pair.point.answer["n_ctx_seq"],
        )

    assert wrong(answered(build), right) == []


@pytest.mark.parametrize("build", BUILDS)
def test_what_the_server_refuses_is_refused_here_and_nothing_else(build):
    def right(pair):
        # An unknown architecture or an assertion in the program is no setting that it refuses.
        return pair.faulty or (pair.ours is None) == ("refused" in pair.point.answer)

    assert wrong(compared(build), right) == []


@pytest.mark.parametrize("build", BUILDS)
def test_total_device_memory_of_published_models_is_within_the_stated_error(build):
    errors = sorted(error(*pair.total()) for pair in published(build))
    assert statistics.median(errors) <= MEDIAN
    assert errors[-1] <= WORST
    if readers.required():  # a part of the points may hold more than its share of the worst
        assert errors[int(len(errors) * 0.99)] <= P99


@pytest.mark.parametrize("build", BUILDS)
def test_no_case_needs_more_than_estimate_and_margin(build):
    def fits(pair):
        return all(theirs <= with_margin for _, theirs, with_margin in pair.device_totals())

    assert wrong(answered(build), fits) == []


@pytest.mark.parametrize("build", BUILDS)
def test_compute_buffers_that_are_replayed_are_exact_to_the_byte(build):
    replayed = [pair for pair in answered(build) if is_replayed(pair)]
    assert wrong(replayed, lambda pair: same(pair, 2)) == []


def is_replayed(pair: Pair) -> bool:
    """Whether there is a graph of the model at this build; that of a nextn block is asked of later builds alone."""
    return is_described(all_facts()[pair.point.model].architecture, pair.point.build)


def test_most_points_of_the_newest_source_are_replayed():
    found = answered(grid.WHOLE)
    assert sum(map(is_replayed, found)) > 0.4 * len(found)

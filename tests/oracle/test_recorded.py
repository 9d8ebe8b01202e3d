"""llmgen's estimates against what llama.cpp allocated, for every recorded answer."""

import statistics
from collections.abc import Callable
from functools import cache

import pytest
import readers

from oracle import grid
from oracle.comparison import Pair, error, is_answered, is_published, pairs, said

FILES = sorted(grid.DATA.glob("answers-b*.json.xz"))
BUILDS = [int(path.name[len("answers-b") : -len(".json.xz")]) for path in FILES]

# What the total device memory of published models may be off by, and where that is still missed:
# (p99, worst) as measured over the whole recorded grid; these may shrink, and never grow.
P99, WORST = 0.01, 0.02
MISSED = {
    9464: (0.0115, 0.0264),
    11391: (0.0107, 0.0264),
    11434: (0.0093, 0.0569),
    11548: (0.0093, 0.0335),
    11739: (0.0092, 0.0335),
}


@cache
def compared(build: int) -> list[Pair]:
    """The recorded points of a build with our estimate; of the others a sixth, all in CI."""
    points = list(grid.recorded(grid.DATA / f"answers-b{build}.json.xz"))
    return list(pairs(points if is_whole(build) else points[build % 6 :: 6]))


def is_whole(build: int) -> bool:
    """Whether every recorded point of the build is compared."""
    return build == grid.WHOLE or readers.required()


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
    points = [pair.point for pair in compared(grid.WHOLE)]
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
    found = errors[int(len(errors) * 0.99)], errors[-1]
    assert statistics.median(errors) <= 0.001
    # A sixth of the points may hold more than its share of the worst.
    met = found[1] <= WORST and (found[0] <= P99 or not is_whole(build))
    if not met and build in MISSED:
        # The aim stands; what is missed may only shrink.
        assert found[1] <= max(MISSED[build][1], WORST)
        assert found[0] <= max(MISSED[build][0], P99) or not is_whole(build)
        pytest.xfail(f"p99 {found[0]:.2%}, worst {found[1]:.2%}; wanted {P99:.0%} and {WORST:.0%}")
    assert met


@pytest.mark.parametrize("build", BUILDS)
def test_no_case_needs_more_than_estimate_and_margin(build):
    def fits(pair):
        return all(theirs <= with_margin for _, theirs, with_margin in pair.device_totals())

    assert wrong(answered(build), fits) == []

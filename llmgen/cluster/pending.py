"""The fewest pods that wait where nodes do not hold all; the highest priority waits last."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from llmgen.cluster.kinds import Pool, Vector
from llmgen.cluster.packed import packed, placed
from llmgen.cluster.steps import take
from llmgen.fleet.search import SearchedEnough, Steps

# More ways to leave so many out are not kept for what has a lower priority.
_WAYS = 50


def fewest(pool: Pool, steps: Steps) -> tuple[Vector, bool]:
    """How many of each kind wait at best, and whether that was proved."""
    try:
        return _fewest(pool, steps), True
    except SearchedEnough:
        return _greedy(pool), False


def _greedy(pool: Pool) -> Vector:
    empty = [(0,) * len(pool.kinds)] * pool.nodes
    return placed(pool, pool.counts, empty, range(len(pool.kinds)))[1]


def _fewest(pool: Pool, steps: Steps) -> Vector:
    kept = [(0,) * len(pool.kinds)]
    for _, level in groupby(range(len(pool.kinds)), lambda at: pool.kinds[at].priority):
        kept = _level(pool, kept, [*level], steps)
        if len(kept) > _WAYS:
            raise SearchedEnough
    return tuple(count - one for count, one in zip(pool.counts, kept[0], strict=True))


def _level(pool: Pool, kept: list[Vector], level: list[int], steps: Steps) -> list[Vector]:
    """With each that is kept of higher priorities, as many of this one as there is room for."""
    counts = tuple(pool.counts[at] for at in level)
    last = level[-1] == len(pool.kinds) - 1
    for number in range(sum(counts) + 1):
        found = list[Vector]()
        for left_out in _ways(counts, number):
            for one in kept:
                take(steps)
                tried = list(one)
                for at, count, out in zip(level, counts, left_out, strict=True):
                    tried[at] = count - out
                part = tuple(tried)
                if packed(pool, part, steps) is not None:
                    found.append(part)
                    if last:
                        return found
        if found:
            return found
    raise AssertionError("nothing has room without this priority")


def _ways(counts: Vector, number: int) -> Iterator[Vector]:
    """Every way to leave out so many, the last kinds before the first."""
    if not counts:
        if not number:
            yield ()
        return
    rest = sum(counts[1:])
    for here in range(max(0, number - rest), min(counts[0], number) + 1):
        for others in _ways(counts[1:], number - here):
            yield (here, *others)

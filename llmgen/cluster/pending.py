"""The fewest pods that wait where nodes do not hold all; the highest priority waits last."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from llmgen.cluster.best_case import packed, placed
from llmgen.cluster.pool_numbers import PoolNumbers, Vector, total
from llmgen.cluster.steps import take
from llmgen.fleet.search.steps import SearchAllowance, SearchedEnough

# More ways to leave so many out are not kept for what has a lower priority.
_WAYS = 50


def fewest(pool: PoolNumbers, steps: SearchAllowance) -> tuple[Vector, bool]:
    """How many of each kind wait at best, and whether that was proved."""
    try:
        return _fewest(pool, steps), True
    except SearchedEnough:
        return _greedy(pool), False


def _greedy(pool: PoolNumbers) -> Vector:
    empty = [(0,) * len(pool.kinds)] * pool.nodes
    return placed(pool, pool.counts, empty, range(len(pool.kinds)))[1]


def _fewest(pool: PoolNumbers, steps: SearchAllowance) -> Vector:
    kept = [(0,) * len(pool.kinds)]
    for _, level in groupby(range(len(pool.kinds)), lambda at: pool.kinds[at].priority):
        kept = _level(pool, kept, [*level], steps)
        if len(kept) > _WAYS:
            raise SearchedEnough
    return tuple(count - one for count, one in zip(pool.counts, kept[0], strict=True))


def _level(
    pool: PoolNumbers, kept: list[Vector], level: list[int], steps: SearchAllowance
) -> list[Vector]:
    """With each that is kept of higher priorities, as many of this one as there is room for."""
    counts = tuple(pool.counts[at] for at in level)
    last = level[-1] == len(pool.kinds) - 1
    least = min(_least(pool, one, level) for one in kept)
    if last and len(kept) == 1:
        found = [_small_first(pool, kept[0], level)]
        if sum(pool.counts[at] - found[0][at] for at in level) == least:
            return found
    for number in range(least, sum(counts) + 1):
        found = []
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


def _least(pool: PoolNumbers, kept: Vector, level: list[int]) -> int:
    """How many of the level wait at least beside what is kept, by the sums of each resource."""
    width, most = len(pool.capacity), 0
    beside = total(pool.sizes, kept, width)
    for resource, whole in enumerate(pool.capacity):
        over = beside[resource] - whole * pool.nodes
        over += sum(pool.sizes[at][resource] * pool.counts[at] for at in level)
        number = 0
        for at in sorted(level, key=lambda at: -pool.sizes[at][resource]):
            size = pool.sizes[at][resource]
            if over > 0 and size:
                out = min(pool.counts[at], -(-over // size))
                number, over = number + out, over - out * size
        most = max(most, number)
    return most


def _small_first(pool: PoolNumbers, kept: Vector, level: list[int]) -> Vector:
    """As many of the level as find room in that order, beside what is kept and placed before."""
    empty = [(0,) * len(pool.kinds)] * pool.nodes
    held, _ = placed(pool, kept, empty, range(len(pool.kinds)))
    counts = tuple(count if at in level else 0 for at, count in enumerate(pool.counts))
    held, _ = placed(pool, counts, held, level[::-1])
    return tuple(map(sum, zip(*held, strict=True))) if held else kept


def _ways(counts: Vector, number: int) -> Iterator[Vector]:
    """Every way to leave out so many, of the first kinds before others."""
    if not counts:
        if not number:
            yield ()
        return
    rest = sum(counts[1:])
    for here in range(min(counts[0], number), max(0, number - rest) - 1, -1):
        for others in _ways(counts[1:], number - here):
            yield (here, *others)

"""Whether so many pods have room on so many nodes at all, if somebody places them well.

Pods are placed large ones first in a few orders; when that fails, what they take together may prove
that nothing holds them. Else every way to fill a node is tried that has one of the largest pods
that are left and no room for another one, and what was left over in vain is not tried twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from llmgen.cluster.pool_numbers import PoolNumbers, Vector, holds, more, room, share, total
from llmgen.cluster.steps import take
from llmgen.fleet.search.steps import SearchAllowance, SearchedEnough

# More nodes are not searched one by one.
_NODES = 200


def packed(pool: PoolNumbers, counts: Vector, steps: SearchAllowance) -> list[Vector] | None:
    """How many of each kind each node holds; None when the nodes do not hold so many."""
    sizes, capacity, nodes = pool.sizes, pool.capacity, pool.nodes
    take(steps, 1 + len(sizes) ** 2 // 10)
    if too_much(pool, counts):
        return None
    empty = [(0,) * len(sizes)] * nodes
    for order in _orders(sizes, capacity):
        take(steps, len(sizes) * (nodes + 10) // 10)
        held, left = placed(pool, counts, empty, order)
        if not any(left):
            return held
    order = next(_orders(sizes, capacity))
    search = _PackedSearch([sizes[at] for at in order], capacity, steps)
    found = search.found(tuple(counts[at] for at in order), nodes)
    if found is None:
        return None
    back = [order.index(at) for at in range(len(sizes))]
    held = [tuple(node[at] for at in back) for node in found]
    return held + empty[len(held) :]


def placed(
    pool: PoolNumbers, counts: Vector, held: Sequence[Vector], order: Sequence[int]
) -> tuple[list[Vector], Vector]:
    """The nodes with what has room beside what they hold, each pod on the first; and the rest."""
    sizes, capacity = pool.sizes, pool.capacity
    fillings = [list(node) for node in held]
    used = [total(sizes, node, len(capacity)) for node in held]
    left = list(counts)
    for kind in order:
        for at, node in enumerate(fillings):
            if not left[kind]:
                break
            if here := room(capacity, used[at], sizes[kind], left[kind]):
                node[kind] += here
                left[kind] -= here
                used[at] = more(used[at], sizes[kind], here)
    return [tuple(node) for node in fillings], tuple(left)


def too_much(pool: PoolNumbers, counts: Vector) -> bool:
    """Whether the pods need more nodes by their sums, or by the large ones that share none."""
    return any(
        _nodes_needed(
            [(size[at], count) for size, count in zip(pool.sizes, counts, strict=True)], whole
        )
        > pool.nodes
        for at, whole in enumerate(pool.capacity)
    )


def _nodes_needed(items: Sequence[tuple[int, int]], whole: int) -> int:
    """At least so many nodes, by one resource (Martello and Toth's second bound)."""
    items = [(size, count) for size, count in items if size and count]
    if any(size > whole for size, _ in items):
        return 1 << 60
    most = -(-sum(size * count for size, count in items) // whole) if items else 0
    large = [(size, count) for size, count in items if 2 * size > whole]
    if not large:
        return most
    for least in {size for size, _ in items if 2 * size <= whole}:
        alone = sum(count for size, count in large if size > whole - least)
        with_others = [(size, count) for size, count in large if size <= whole - least]
        number = sum(count for _, count in with_others)
        spare = number * whole - sum(size * count for size, count in with_others)
        small = sum(size * count for size, count in items if least <= size and 2 * size <= whole)
        most = max(most, alone + number + max(0, -(-(small - spare) // whole)))
    return max(most, sum(count for _, count in large))


def _orders(sizes: Sequence[Vector], capacity: Vector) -> Iterator[list[int]]:
    """Large ones first: by the resource of which they take most, then by each resource."""
    every = range(len(sizes))
    yield sorted(every, key=lambda at: (-share(sizes[at], capacity), at))
    for resource in range(len(capacity) - 1):
        yield sorted(every, key=lambda at: (-sizes[at][resource], -share(sizes[at], capacity), at))


class _PackedSearch(Struct):
    """Nodes filled one after the other; ``failed`` has what was left over in vain."""

    sizes: Sequence[Vector]
    capacity: Vector
    steps: SearchAllowance
    failed: set[tuple[Vector, int]] = field(default_factory=set)

    def found(self, left: Vector, nodes: int) -> list[Vector] | None:
        if nodes > _NODES:
            raise SearchedEnough
        return self._go(left, total(self.sizes, left, len(self.capacity)), nodes)

    def _go(self, left: Vector, wanted: Vector, nodes: int) -> list[Vector] | None:
        if not any(left):
            return []
        if (left, nodes) in self.failed:
            return None
        if any(one > whole * nodes for one, whole in zip(wanted, self.capacity, strict=True)):
            return None
        for filling, used in self._fillings(left):
            rest = self._go(more(left, filling, -1), more(wanted, used, -1), nodes - 1)
            if rest is not None:
                return [filling, *rest]
        self.failed.add((left, nodes))
        return None

    def _fillings(self, left: Vector) -> Iterator[tuple[Vector, Vector]]:
        """Fillings with a pod of the first kind to which no pod that is left can be added."""
        kinds = [at for at, count in enumerate(left) if count]
        given = [0] * len(left)

        def go(place: int, used: Vector) -> Iterator[tuple[Vector, Vector]]:
            take(self.steps)
            if place == len(kinds):
                if not any(
                    given[at] < left[at] and holds(self.capacity, used, self.sizes[at])
                    for at in kinds
                ):
                    yield tuple(given), used
                return
            at = kinds[place]
            most = room(self.capacity, used, self.sizes[at], left[at])
            for count in range(most, -1 if place else 0, -1):
                given[at] = count
                yield from go(place + 1, more(used, self.sizes[at], count) if count else used)
            given[at] = 0

        yield from go(0, (0,) * len(self.capacity))

"""Whether pods can stand on nodes so that one more finds room on none of them.

Each node needs a filling that leaves less than the pod requests of one resource. Fillings that stay
so without one of their pods are not looked at: what they spare is only more for the other nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from llmgen.cluster.pool_numbers import PoolNumbers, Vector, holds, more, room
from llmgen.cluster.steps import take
from llmgen.fleet.search.steps import SearchAllowance, SearchedEnough

# More fillings are not combined.
_FILLINGS = 400
# All of a blocked node; parts of it are rounded up.
_ONE = 1 << 40


def blocked(
    pool: PoolNumbers, counts: Vector, size: Vector, steps: SearchAllowance
) -> list[Vector] | None:
    """How many of each kind each node holds, with no room for ``size``; None if some node has."""
    sizes, capacity, nodes = pool.sizes, pool.capacity, pool.nodes
    kinds = [at for at, count in enumerate(counts) if count]
    blocking = _Blocking([sizes[at] for at in kinds], capacity, size, steps)
    left = tuple(counts[at] for at in kinds)
    if not nodes or not holds(capacity, (0,) * len(capacity), size):
        return [(0,) * len(sizes)] * nodes
    weights = blocking.weights()
    if not _reached(weights, left, nodes):
        return None
    found = blocking.quickly(left, nodes) or blocking.searched(left, nodes, weights)
    if found is None:
        return None
    spread = {node: _spread(node, kinds, len(sizes)) for node in dict.fromkeys(found)}
    return [spread[node] for node in found]


def _spread(node: Vector, kinds: Sequence[int], width: int) -> Vector:
    found = [0] * width
    for at, count in zip(kinds, node, strict=True):
        found[at] = count
    return tuple(found)


def _reached(weights: Sequence[int], left: Vector, nodes: int) -> bool:
    """Whether what is left may block so many nodes: a filling that does weighs all of one."""
    return sum(one * count for one, count in zip(weights, left, strict=True)) >= nodes * _ONE


class _Blocking(Struct):
    """Fillings of a node that leave no room for ``size``."""

    sizes: Sequence[Vector]
    capacity: Vector
    size: Vector
    steps: SearchAllowance
    failed: dict[tuple[int, Vector], int] = field(default_factory=dict)

    def blocks(self, used: Vector) -> bool:
        return not holds(self.capacity, used, self.size)

    def weights(self) -> list[int]:
        """What part of a blocked node a pod of each kind can be at most."""
        gaps = [whole - one + 1 for whole, one in zip(self.capacity, self.size, strict=True)]
        return [
            min(_ONE, max(-(-one * _ONE // gap) for one, gap in zip(kind, gaps, strict=True)))
            for kind in self.sizes
        ]

    def quickly(self, counts: Vector, nodes: int) -> list[Vector] | None:
        """Nodes filled by what takes most, or least, of one resource, alike while it lasts."""
        for resource in range(len(self.capacity)):
            kinds = [at for at, kind in enumerate(self.sizes) if kind[resource]]
            for sign in (1, -1):
                order = sorted(kinds, key=lambda at: sign * self.sizes[at][resource])
                if found := self._greedy(counts, nodes, order):
                    return found
        return None

    def _greedy(self, counts: Vector, nodes: int, order: Sequence[int]) -> list[Vector] | None:
        left, found = counts, list[Vector]()
        while len(found) < nodes:
            filling = self._filled(left, order)
            if filling is None:
                return None
            times = min(count // one for count, one in zip(left, filling, strict=True) if one)
            times = min(times, nodes - len(found))
            left = more(left, filling, -times)
            found += [filling] * times
        return found

    def _filled(self, left: Vector, order: Sequence[int]) -> Vector | None:
        """A filling in that order, whose last pod is the first that ends it."""
        used, given = (0,) * len(self.capacity), [0] * len(left)
        while True:
            last = None
            for at in order:
                take(self.steps)
                if given[at] < left[at] and holds(self.capacity, used, self.sizes[at]):
                    last = at if last is None else last
                    if self.blocks(more(used, self.sizes[at])):
                        given[at] += 1
                        return tuple(given)
            if last is None:
                return None
            given[last] += 1
            used = more(used, self.sizes[last])

    def searched(self, left: Vector, nodes: int, weights: Sequence[int]) -> list[Vector] | None:
        """Every combination of fillings."""
        fillings = list[Vector]()
        for filling in self._fillings(left):
            fillings.append(filling)
            if len(fillings) > _FILLINGS:
                raise SearchedEnough
        # What spares most comes first.
        fillings.sort(key=lambda filling: (_weight(filling, weights), filling))
        return self._combined(fillings, weights, 0, left, nodes)

    def _fillings(self, left: Vector) -> Iterator[Vector]:
        width = len(self.sizes)
        rest = [(0,) * len(self.capacity)]
        for at in reversed(range(width)):
            most = room(self.capacity, (0,) * len(self.capacity), self.sizes[at], left[at])
            rest.append(more(rest[-1], self.sizes[at], most))
        rest.reverse()

        def go(at: int, given: Vector, used: Vector) -> Iterator[Vector]:
            take(self.steps)
            if self.blocks(used):
                if self._is_least(given, used):
                    yield given + (0,) * (width - at)
                return
            if at == width or not self.blocks(more(used, rest[at])):
                return
            for count in range(left[at] + 1):
                now = more(used, self.sizes[at], count)
                if count and not holds(self.capacity, now, (0,) * len(now)):
                    return
                yield from go(at + 1, (*given, count), now)
                if self.blocks(now):
                    return

        yield from go(0, (), (0,) * len(self.capacity))

    def _is_least(self, given: Vector, used: Vector) -> bool:
        return not any(
            count and self.blocks(more(used, self.sizes[at], -1)) for at, count in enumerate(given)
        )

    def _combined(
        self,
        fillings: Sequence[Vector],
        weights: Sequence[int],
        at: int,
        left: Vector,
        nodes: int,
    ) -> list[Vector] | None:
        take(self.steps)
        if not nodes:
            return []
        if at == len(fillings) or self.failed.get((at, left), nodes + 1) <= nodes:
            return None
        if not _reached(weights, left, nodes):
            return None
        filling = fillings[at]
        most = min(count // one for count, one in zip(left, filling, strict=True) if one)
        for times in range(min(most, nodes), -1, -1):
            rest = more(left, filling, -times)
            found = self._combined(fillings, weights, at + 1, rest, nodes - times)
            if found is not None:
                return [filling] * times + found
        self.failed[at, left] = nodes
        return None


def _weight(filling: Vector, weights: Sequence[int]) -> int:
    return sum(one * count for one, count in zip(weights, filling, strict=True))

"""Whether a pod can be left without a node for good, in whatever order pods come.

kube-scheduler puts a pod on any node with room and moves none. A pod that has room nowhere preempts
where its room is taken by pods of lower priority; they are made anew and look for room themselves.
Each preemption trades pods for one of higher priority, so this ends; in the end a pod waits when on
every node those of its own priority and above leave it no room. Every arrangement like that comes
about: the pods in it come first, the highest priority before the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from llmgen.cluster.best_case import placed
from llmgen.cluster.pool_numbers import PoolNumbers, Vector, holds, more, room, total
from llmgen.cluster.steps import take
from llmgen.cluster.worst_case import blocked
from llmgen.fleet.search.steps import SearchAllowance, SearchedEnough

# More nodes are not searched one by one.
_NODES = 200


class Wait(Struct, frozen=True):
    """The pod that is waited with, and who stands somewhere then: ``most`` of each kind.

    Of ``whole`` kinds all do. Of ``higher`` ones all do, or they wait as well.
    """

    kind: int
    most: Vector
    whole: frozenset[int] = frozenset()
    higher: frozenset[int] = frozenset()


def for_good(pool: PoolNumbers, kind: int) -> Wait:
    """A pod of the kind that is one of the pool's own."""
    priority = pool.kinds[kind].priority
    most = [one.count if one.priority >= priority else 0 for one in pool.kinds]
    most[kind] -= 1
    above = frozenset(at for at, one in enumerate(pool.kinds) if one.priority > priority)
    return Wait(kind, tuple(most), higher=above)


def beside(pool: PoolNumbers, kind: int, *, certain: bool) -> Wait:
    """One pod more of the kind, when all have a node.

    When pods always find one (``certain``), those of the same and of lower priority do so, whatever
    stands there: they need not be looked at.
    """
    priority = pool.kinds[kind].priority
    if not certain:
        return Wait(kind, pool.counts, whole=frozenset(range(len(pool.kinds))))
    most = tuple(one.count if one.priority >= priority else 0 for one in pool.kinds)
    above = frozenset(at for at, one in enumerate(pool.kinds) if one.priority > priority)
    return Wait(kind, most, whole=above)


class Arrangement(Struct, frozen=True):
    """Pods on nodes: how many of each kind, and what nodes hold; each filling once."""

    held: Sequence[Vector]
    used: Vector
    fillings: tuple[Vector, ...]


def standing(pool: PoolNumbers, held: Sequence[Vector]) -> Arrangement:
    """What stands where the nodes hold that."""
    used = (0,) * len(pool.kinds)
    fillings = Counter(held)
    for filling, times in fillings.items():
        used = more(used, filling, times)
    return Arrangement(held, used, tuple(fillings))


def waits(pool: PoolNumbers, wait: Wait, steps: SearchAllowance, known: list[Arrangement]) -> bool:
    """Whether there is such an arrangement: one that is ``known``, or one that is then."""
    for stands in known:
        take(steps, len(stands.fillings))
        if _ends(pool, wait, stands):
            return True
    relaxed = _blocked(pool, wait, steps)
    if relaxed is None:
        return False
    order = sorted(wait.whole | wait.higher)
    used = standing(pool, relaxed).used
    rest = tuple(
        most - one if at in wait.whole or at in wait.higher else 0
        for at, (most, one) in enumerate(zip(wait.most, used, strict=True))
    )
    take(steps, len(relaxed))
    found = standing(pool, placed(pool, rest, relaxed, order)[0])
    if not _ends(pool, wait, found):
        held = _ArrangementSearch(pool, wait, steps).found()
        if held is None:
            return False
        found = standing(pool, held)
    known.append(found)
    return True


def _blocked(pool: PoolNumbers, wait: Wait, steps: SearchAllowance) -> list[Vector] | None:
    """Nodes without room for the pod, whoever else waits."""
    priority = pool.kinds[wait.kind].priority
    most = tuple(
        count if kind.priority >= priority else 0
        for kind, count in zip(pool.kinds, wait.most, strict=True)
    )
    size = pool.kinds[wait.kind].size
    return blocked(pool, most, size, steps)


def _ends(pool: PoolNumbers, wait: Wait, stands: Arrangement) -> bool:
    """Whether the pod waits for good then."""
    used, fillings = stands.used, stands.fillings
    # What may be there need not: of lower kinds nothing is counted.
    own = any(
        count > most
        for at, (count, most) in enumerate(zip(used, wait.most, strict=True))
        if pool.kinds[at].priority >= pool.kinds[wait.kind].priority or at in wait.whole
    )
    if own or not all(_is_full(pool, node, wait.kind) for node in fillings):
        return False
    if any(used[at] < wait.most[at] for at in wait.whole):
        return False
    return all(
        used[at] == wait.most[at] or all(_is_full(pool, node, at) for node in fillings)
        for at in wait.higher
    )


def _is_full(pool: PoolNumbers, node: Vector, kind: int) -> bool:
    """Whether pods of the kind's priority and above leave it no room."""
    priority = pool.kinds[kind].priority
    used = (0,) * len(pool.capacity)
    for at, count in enumerate(node):
        if count and pool.kinds[at].priority >= priority:
            used = more(used, pool.sizes[at], count)
    return not holds(pool.capacity, used, pool.kinds[kind].size)


class _ArrangementSearch(Struct):
    """Every arrangement, node by node; ``failed`` has what was left over in vain.

    A bit of ``full`` stays while every node so far is full for that higher kind.
    """

    pool: PoolNumbers
    wait: Wait
    steps: SearchAllowance
    failed: set[tuple[Vector, int, int]] = field(default_factory=set)

    def found(self) -> list[Vector] | None:
        if self.pool.nodes > _NODES:
            raise SearchedEnough
        return self._go(self.wait.most, sum(1 << at for at in self.wait.higher), self.pool.nodes)

    def _go(self, left: Vector, full: int, nodes: int) -> list[Vector] | None:
        must = tuple(count if self._must(at, full) else 0 for at, count in enumerate(left))
        if not nodes:
            return None if any(must) else []
        if (left, full, nodes) in self.failed or self._over(must, nodes):
            return None
        for filling in self._fillings(left):
            still = full
            for at in self.wait.higher:
                if full >> at & 1 and not _is_full(self.pool, filling, at):
                    still &= ~(1 << at)
            rest = self._go(more(left, filling, -1), still, nodes - 1)
            if rest is not None:
                return [filling, *rest]
        self.failed.add((left, full, nodes))
        return None

    def _must(self, kind: int, full: int) -> bool:
        return kind in self.wait.whole or (kind in self.wait.higher and not full >> kind & 1)

    def _over(self, must: Vector, nodes: int) -> bool:
        used = total(self.pool.sizes, must, len(self.pool.capacity))
        return any(one > whole * nodes for one, whole in zip(used, self.pool.capacity, strict=True))

    def _fillings(self, left: Vector) -> Iterator[Vector]:
        """Fillings that leave the pod no room."""
        sizes, capacity = self.pool.sizes, self.pool.capacity

        def go(at: int, given: Vector, used: Vector) -> Iterator[Vector]:
            take(self.steps)
            if at == len(sizes):
                if _is_full(self.pool, given, self.wait.kind):
                    yield given
                return
            for count in range(room(capacity, used, sizes[at], left[at]), -1, -1):
                yield from go(at + 1, (*given, count), more(used, sizes[at], count))

        yield from go(0, (), (0,) * len(capacity))

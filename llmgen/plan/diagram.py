"""All packings at once: a decision diagram whose paths are exactly the sets that fit.

Level by level, each alternative takes so many models of one kind. Two places of the search that
allow the same futures are one node; they are found by the box of remaining limits within which
a node's futures do not change. Subsets are allowed anyway, so alternatives that another one of
the same node contains are left out.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from math import inf

from msgspec import Struct, field

from llmgen.plan.packing import Packing, Weight, fits, less, most

# A file of so many named sets is still read and solved quickly; more kinds or looks take long (so
# many looks, a second). Two dozen models over four devices needed more than 500,000.
NODES, KINDS, LOOKS = 10_000, 300, 1_500_000

LimitVector = tuple[float, ...]
# From the first bounds on, below the second ones, what can still come is this node.
Box = tuple[LimitVector, LimitVector, int]
Alternatives = tuple[tuple[int, int], ...]


class Node(Struct, frozen=True):
    """Take ``count`` of the level's kind, then go on at ``child``; or the next alternative."""

    level: int
    alternatives: Alternatives


class Diagram(Struct, frozen=True):
    """Nodes, children first; node 0 is the end, ``root`` the start."""

    pack: Packing
    nodes: tuple[Node, ...]
    root: int

    def sets(self) -> Iterator[tuple[int, ...]]:
        """Counts for each kind on every path; kinds that a path skips count 0."""
        kinds = len(self.pack.kinds)
        waiting: list[tuple[int, tuple[int, ...]]] = [(self.root, ())]
        while waiting:
            at, counts = waiting.pop()
            node = self.nodes[at]
            if node.level == kinds:
                yield counts
            for count, child in reversed(node.alternatives):
                waiting.append((child, (*counts, count)))


class TooLarge(Exception):
    """No diagram of bearable size."""


class _Builder(Struct):
    pack: Packing
    rest: list[Weight]
    most_nodes: int
    most_looks: int
    nodes: list[Node] = field(default_factory=list)
    known: dict[Node, int] = field(default_factory=dict)
    boxes: list[list[Box]] = field(default_factory=list)
    looks: int = 0

    def at(self, level: int, left: Weight) -> Box:
        """The node of this place, and the box within which it stays."""
        boxes = self.boxes[level]
        # Sorted by their first lower bound; under one limit only the last one before can be it.
        place = bisect_right(boxes, left[0] if left else 0.0, key=_start)
        first = max(0, place - 1) if len(left) == 1 else 0
        for index in range(place - 1, first - 1, -1):
            self.looks += 1
            if _within(left, boxes[index]):
                return boxes[index]
        if len(self.nodes) > self.most_nodes or self.looks > self.most_looks:
            raise TooLarge
        box = self._expand(level, left) if level < len(self.pack.kinds) else self._end()
        insort(boxes, box, key=_start)
        return box

    def _end(self) -> Box:
        width = len(self.pack.limits)
        return (0.0,) * width, (inf,) * width, self._node(Node(len(self.pack.kinds), ()))

    def _expand(self, level: int, left: Weight) -> Box:
        weight, top = self.pack.kinds[level].weight, most(self.pack.kinds[level], left)
        low, high = [0.0] * len(left), [inf] * len(left)
        if top < len(self.pack.kinds[level].members):
            _block(high, left, tuple((top + 1) * part for part in weight))
        found: list[tuple[int, int]] = []
        for count in range(top, -1, -1):
            # As dear as a look for each limit, and a wish of never_together is one.
            self.looks += len(left)
            below, above, child = self.at(level + 1, less(left, weight, count))
            for index, part in enumerate(weight):
                low[index] = max(low[index], below[index] + count * part)
                high[index] = min(high[index], above[index] + count * part)
            if all(child != taken for _, taken in found):
                found.append((count, child))
            if fits(self.rest[level + 1], less(left, weight, count)):
                break
        return tuple(low), tuple(high), self._node(Node(level, tuple(found)))

    def _node(self, node: Node) -> int:
        if node not in self.known:
            self.known[node] = len(self.nodes)
            self.nodes.append(node)
        return self.known[node]


def _start(box: Box) -> float:
    return box[0][0] if box[0] else 0.0


def _within(left: Weight, box: Box) -> bool:
    low, high, _ = box
    for index, part in enumerate(left):  # noqa: SIM110 - a generator costs twice as much here
        if not low[index] <= part < high[index]:
            return False
    return True


def _block(high: list[float], left: Weight, weight: Weight) -> None:
    """One more stays impossible while the limit that blocks it most stays below its weight."""
    short = [(part - has) / part if part else -1.0 for part, has in zip(weight, left, strict=True)]
    index = short.index(max(short))
    high[index] = min(high[index], weight[index])


def diagram(pack: Packing, nodes: int = NODES, looks: int = LOOKS) -> Diagram:
    """The diagram of everything that fits; raises TooLarge beyond so many nodes or looks."""
    if len(pack.kinds) > KINDS:
        raise TooLarge
    rest = [tuple(0 for _ in pack.limits)]
    for kind in reversed(pack.kinds):
        rest.append(less(rest[-1], kind.weight, -len(kind.members)))
    rest.reverse()
    builder = _Builder(pack, rest, nodes, looks, boxes=[[] for _ in range(len(pack.kinds) + 1)])
    root = builder.at(0, pack.limits)[2]
    return Diagram(pack, tuple(builder.nodes), root)

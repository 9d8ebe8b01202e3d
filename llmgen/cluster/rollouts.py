"""Whether updates can be rolled out, by one controller and by all at once.

With a surge a new pod has to find room while all old ones stand; once one has, the room of an old
one is free for the next. So a rollout hangs when all pods have a node and one more of its kind has
room nowhere, and it passes when it has. Of all at once, each that has come to its end has as many
pods as before: nothing hangs that does not hang by itself, as long as pods always find room.
Without a surge an old pod goes first. Its own room is enough for the new one; if a pod of another
controller takes it, the new one is a pod that looks for room like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import Struct, field

from llmgen.cluster.any_order import Arrangement, beside, waits
from llmgen.cluster.best_case import packed, placed
from llmgen.cluster.pool_numbers import PoolNumbers, Vector, holds, more, room, total
from llmgen.cluster.steps import Certainty, answered, both
from llmgen.cluster.worst_case import blocked
from llmgen.fleet.search.steps import SearchAllowance

# Steps of each question.
_EACH = 5_000


class Passing(Struct, frozen=True):
    """Whether rollouts pass if pods are placed well, and however they are placed."""

    possible: Certainty
    certain: Certainty


class Rolling(Struct):
    """Rollouts of a pool whose pods all have a node, ``certain`` when they always find one."""

    pool: PoolNumbers
    held: Sequence[Vector] | None
    certain: Certainty
    steps: SearchAllowance
    # Where an update was found to hang.
    hanging: list[Arrangement] = field(default_factory=list)

    def of(self, kind: int) -> Passing:
        """Of one controller with a surge, by the kind of its pods."""
        wait = beside(self.pool, kind, certain=self.certain == "yes")
        known = list[Arrangement]()
        hangs = answered(self.steps, _EACH, lambda steps: waits(self.pool, wait, steps, known))
        self.hanging += known
        certain = _OTHER[hangs]
        return Passing("yes" if certain == "yes" else self._possible(kind), certain)

    def _possible(self, kind: int) -> Certainty:
        """Whether all pods and one more have room, or whether it lacks room whoever goes."""
        if self.held and any(self._has_room(node, kind) for node in self.held):
            return "yes"
        counts = list(self.pool.counts)
        counts[kind] += 1
        if (found := self._packed(counts)) != "no":
            return found
        return "no" if self._lacks(kind, self.pool.counts) else "unknown"

    def _has_room(self, node: Vector, kind: int) -> bool:
        used = total(self.pool.sizes, node, len(self.pool.capacity))
        return room(self.pool.capacity, used, self.pool.kinds[kind].size, 1) > 0

    def preempts(self, kind: int) -> tuple[str, ...]:
        """Controllers of lower priority that a surge of the kind may take room from."""
        pool, priority = self.pool, self.pool.kinds[kind].priority
        lower = [one for one in pool.kinds if one.priority < priority]
        if not lower:
            return ()
        size = pool.kinds[kind].size
        full = answered(
            self.steps,
            _EACH,
            lambda steps: blocked(pool, pool.counts, size, steps) is not None,
        )
        return () if full == "no" else tuple(name for one in lower for name in one.names)

    def _packed(self, counts: Sequence[int]) -> Certainty:
        pool, wanted = self.pool, tuple(counts)
        return answered(
            self.steps,
            _EACH,
            lambda steps: packed(pool, wanted, steps) is not None,
        )

    def together(
        self, surging: Sequence[int], found: Sequence[Passing], others: Sequence[int]
    ) -> Passing:
        """Of all at once: of controllers with a surge, and the others, by their kinds."""
        return Passing(
            self._together_possible(surging, found, others),
            self._together_certain(surging, found, len(others)),
        )

    def _together_possible(
        self, surging: Sequence[int], found: Sequence[Passing], others: Sequence[int]
    ) -> Certainty:
        each = both(*(one.possible for one in found))
        if each == "yes" and self._in_a_row(surging):
            return each
        counts = list(self.pool.counts)
        if each == "yes":
            for kind in surging:
                counts[kind] += 1
            return "yes" if self._packed(counts) == "yes" else "unknown"
        # The others lend the room of one of their pods, for a while.
        for kind in others:
            counts[kind] -= 1
        return (
            "no" if any(self._lacks(kind, counts) for kind in dict.fromkeys(surging)) else "unknown"
        )

    def _lacks(self, kind: int, counts: Sequence[int]) -> bool:
        """Whether one more of the kind has no room beside so many, lower priorities aside."""
        priority = self.pool.kinds[kind].priority
        wanted = [
            count if one.priority >= priority else 0
            for one, count in zip(self.pool.kinds, counts, strict=True)
        ]
        wanted[kind] += 1
        return self._packed(wanted) == "no"

    def _together_certain(
        self, surging: Sequence[int], found: Sequence[Passing], others: int
    ) -> Certainty:
        each = both(*(one.certain for one in found))
        equal = len({kind.priority for kind in self.pool.kinds}) < 2
        if each == "yes":
            alone = equal and (not others or (others == 1 and not surging))
            return "yes" if alone or self.certain == "yes" else "unknown"
        if each == "no" and (len(surging) < 2 or (equal and any(self._stays(surging)))):
            return "no"
        return "unknown"

    def _stays(self, surging: Sequence[int]) -> Iterator[bool]:
        """For each arrangement where one hangs, whether the others can come to their ends there.

        They can when they have room in a row; and what they come to, taken backwards, is a way to
        come to the arrangement. What has no room hangs as well.
        """
        pool = self.pool
        for stands in self.hanging:
            rest = more(pool.counts, stands.used, -1)
            held, left = placed(pool, rest, stands.held, range(len(pool.kinds)))
            fillings = dict.fromkeys(held)
            moving = [at for at in surging if any(self._has_room(one, at) for one in fillings)]
            yield not any(left) and self._in_a_row(moving)

    def _in_a_row(self, surging: Sequence[int]) -> bool:
        """Whether each takes at least what the next does, so that its room is enough for it."""
        sizes = sorted({self.pool.kinds[kind].size for kind in surging}, reverse=True)
        none = (0,) * len(self.pool.capacity)
        return all(holds(large, none, small) for large, small in pairwise(sizes))


_OTHER: dict[Certainty, Certainty] = {"yes": "no", "no": "yes", "unknown": "unknown"}

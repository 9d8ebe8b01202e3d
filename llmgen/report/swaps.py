"""What a request for one model pushes out of memory, by the rules of what loads models on demand.

Matrix: of all sets that contain the model, the one whose absentees cost least to evict, the first
of equals. Groups: a swapping group keeps one member; a member of an exclusive group evicts every
other group that is not persistent. Router: the one used least recently, when as many as may be are
loaded. The same rules, written apart, are in tests/plan/simulator.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmgen.plan.plan import Groups, Matrix, OnDemandRules, Router
from llmgen.plan.stack import Stack
from llmgen.report.report import Swap


def swaps(engine: OnDemandRules, stack: Stack, running: Sequence[str]) -> Iterator[Swap]:
    """A request for each on-demand model that is not running; none where it cannot be told."""
    for name in stack.demand:
        if name in running:
            continue
        seconds = stack.load_cost.get(name, 0) / 10
        match engine:
            case Matrix() if len(engine.sets) == len(engine.listed):
                yield Swap(name, _by_matrix(engine, stack, running, name), seconds)
            case Groups():
                yield Swap(name, _by_groups(engine, running, name), seconds)
            case Router(models_max):
                full = len(running) >= models_max
                alone = tuple(running) if full and models_max == 1 else ()
                yield Swap(name, alone, seconds, oldest=full and models_max > 1)
            case _:
                return


def _by_matrix(engine: Matrix, stack: Stack, running: Sequence[str], name: str) -> tuple[str, ...]:
    leaving = [
        tuple(one for one in running if one not in found)
        for found in engine.listed
        if name in found
    ]
    return min(
        leaving,
        key=lambda gone: sum(stack.load_cost.get(one, 1) for one in gone),
        default=tuple(running),
    )


def _by_groups(engine: Groups, running: Sequence[str], name: str) -> tuple[str, ...]:
    group = {member: item for item in engine.groups for member in item.members}
    mine = group[name]
    return tuple(
        other
        for other in running
        if (mine.swap if group[other] is mine else mine.exclusive and not group[other].persistent)
    )

"""Sound sets for stacks whose maximal sets nobody can list: weights rounded up to a few steps.

What fits when every model is rounded up and every limit down fits all the more. Coarser steps make
more models alike and the diagram smaller; what rounding alone keeps out gets a set of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from llmgen.plan.diagram import Diagram, TooLarge, diagram
from llmgen.plan.packing import Packing, Weight, packed
from llmgen.plan.stack import Stack

# Into how many steps a limit is divided, finest first.
STEPS = (256, 64, 32, 16, 8, 4, 2)
# Rounding trades away sets anyway: a small diagram found soon is better than a large one.
NODES, LOOKS = 2_500, 200_000


def coarse(pack: Packing) -> Diagram:
    """The diagram of the finest rounding that has one, by halving: each failure takes long."""
    found = diagram(Packing((), ()))
    low, high = 0, len(STEPS)
    while low < high:
        middle = (low + high) // 2
        try:
            found, high = diagram(_rounded(pack, STEPS[middle]), NODES, LOOKS), middle
        except TooLarge:
            low = middle + 1
    return found


def _rounded(pack: Packing, steps: int) -> Packing:
    units = tuple(max(1, limit // steps) for limit in pack.limits)
    limits = tuple(limit // unit for limit, unit in zip(pack.limits, units, strict=True))
    weights = {name: kind.weight for kind in pack.kinds for name in kind.members}
    return packed({name: _round_up(weight, units) for name, weight in weights.items()}, limits)


def _round_up(weight: Weight, units: Weight) -> Weight:
    return tuple(-(-part // unit) for part, unit in zip(weight, units, strict=True))


def missed(stack: Stack, found: Diagram) -> Iterator[tuple[str, ...]]:
    """Wished sets, and models that rounding left out, each made as large as fits."""
    inside = {name for kind in found.pack.kinds for name in kind.members}
    for group in stack.told:
        if stack.allows(group | stack.pinned):
            yield grown(stack, group | stack.pinned)
    for name in stack.demand:
        if name not in inside | stack.pinned and stack.allows(stack.pinned | {name}):
            yield grown(stack, stack.pinned | {name})


def grown(stack: Stack, start: Collection[str]) -> tuple[str, ...]:
    """These models and every other one that still fits, in llm.toml's order."""
    inside = set(start)
    barred = stack.rivals(inside | {*stack.always})
    used = stack.sums(inside)
    left = {pool: stack.budgets[pool] - size for pool, size in used.items()}
    for name, sizes in stack.demand.items():
        if name in inside or name in barred:
            continue
        if any(sizes.get(pool, 0) > room for pool, room in left.items()):
            continue
        inside.add(name)
        barred |= stack.rivals({name})
        left = {pool: room - sizes.get(pool, 0) for pool, room in left.items()}
    return stack.ordered(inside)

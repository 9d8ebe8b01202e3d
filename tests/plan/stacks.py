"""Random stacks of models on random pools, and by brute force what fits on them."""

from __future__ import annotations

from llmgen.plan.stack import Stack


def random_stack(random, models=8, pools=4) -> Stack:
    """1 to ``models`` models on 1 to ``pools`` pools, some alike, some pinned, some quarrelling."""
    names = [f"m{number}" for number in range(random.randint(1, models))]
    limits = [f"p{number}" for number in range(random.randint(1, pools))]
    common = [random.randint(1, 40) for _ in range(3)]

    def size() -> int:
        return random.choice((0, random.choice(common), random.randint(1, 60)))

    return Stack(
        budgets={name: random.randint(20, 120) for name in limits},
        demand={name: {pool: size() for pool in limits} for name in names},
        always={"s": {pool: random.randint(0, 10) for pool in limits}}
        if random.random() < 0.5
        else {},
        pinned=frozenset(name for name in names if random.random() < 0.1),
        never=tuple(
            frozenset(random.sample(names, 2))
            for _ in range(random.randint(0, 2))
            if len(names) > 1
        ),
        load_cost={name: random.randint(1, 9) for name in names},
    )


def plannable(stack: Stack) -> bool:
    """Whether each model can be loaded beside the pinned ones: else the plan is refused."""
    return all(stack.allows(stack.pinned | {name}) for name in stack.demand)


def fitting(stack: Stack) -> set[frozenset[str]]:
    """Every set of on-demand models that fits beside the always-on ones; nothing clever."""
    names, pools = list(stack.demand), list(stack.budgets)
    sizes = [tuple(stack.demand[name][pool] for pool in pools) for name in names]
    budgets = [stack.budgets[pool] for pool in pools]
    quarrels = [sum(1 << names.index(name) for name in group) for group in stack.never]
    sums = [tuple(sum(item[pool] for item in stack.always.values()) for pool in pools)]
    found = set()
    for mask in range(1 << len(names)):
        if mask:
            low = (mask & -mask).bit_length() - 1
            before = sums[mask & (mask - 1)]
            sums.append(tuple(map(int.__add__, before, sizes[low])))
        if any(map(int.__gt__, sums[mask], budgets)):
            continue
        if all((mask & group).bit_count() < 2 for group in quarrels):
            found.add(frozenset(name for bit, name in enumerate(names) if mask >> bit & 1))
    return found


def maximal(sets: set[frozenset[str]], stack: Stack) -> set[frozenset[str]]:
    """Those with the pinned models to which no model can be added."""
    kept = {found for found in sets if stack.pinned <= found}
    return {
        found
        for found in kept
        if not any(found | {name} in kept for name in stack.demand if name not in found)
    }

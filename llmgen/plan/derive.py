"""From footprints to what llama-swap or the router is told: every set that fits, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from llmgen.plan.coarse import coarse, grown, missed
from llmgen.plan.diagram import Diagram, TooLarge, diagram
from llmgen.plan.expression import expressions
from llmgen.plan.packing import maximal_sets, packing
from llmgen.plan.plan import Group, Groups, Matrix, Router
from llmgen.plan.stack import Stack

# So many maximal sets are listed, each by name.
LISTED = 512
# llama-swap before this version writes every set out in full.
SYMBOLIC_SINCE = 244
# A variable: 1 to 8 letters and digits, what every version and the schema take.
VARIABLE = 8


class Derived(Struct, frozen=True):
    """A matrix, with the diagram behind it where its sets are too many to list."""

    matrix: Matrix
    diagram: Diagram | None = None


def matrix(stack: Stack, *, symbolic: bool = True) -> Derived:
    """Maximal sets of on-demand models; what cannot be loaded beside the pinned ones is alone."""
    pack = packing(stack)
    sets = maximal_sets(pack, LISTED)
    if sets is not None:
        return _listed(stack, [stack.ordered({*found, *stack.pinned}) for found in sets])
    try:
        found = diagram(pack)
    except TooLarge:
        found = coarse(pack)
        extra = tuple(missed(stack, found))
        if symbolic:
            return expression_of(stack, found, extra, complete=False)
        return _listed(stack, _first(stack, extra), complete=False)
    if symbolic:
        return expression_of(stack, found)
    return _listed(stack, _first(stack, ()), complete=False)


def _listed(stack: Stack, sets: Iterable[tuple[str, ...]], *, complete: bool = True) -> Derived:
    chosen = sorted(dict.fromkeys(filter(None, sets)), key=lambda found: preference(stack, found))
    placed = {name for found in chosen for name in found}
    alone = [(name,) for name in stack.demand if name not in placed]
    names = variables(stack.demand)
    width = len(str(len(chosen) + len(alone)))
    texts = {
        f"s{number:0{width}}": " & ".join(names[name] for name in found)
        for number, found in enumerate((*chosen, *alone), 1)
    }
    return Derived(_matrix(stack, names, texts, (*chosen, *alone), complete=complete))


def expression_of(
    stack: Stack, found: Diagram, extra: Iterable[tuple[str, ...]] = (), *, complete: bool = True
) -> Derived:
    """The matrix of a diagram, and of single sets beside it."""
    names = variables(stack.demand)
    texts = dict(expressions(found, names, stack.ordered(stack.pinned)))
    added = sorted(dict.fromkeys(extra), key=lambda item: preference(stack, item))
    width = len(str(len(added)))
    wished = {
        f"a{number:0{width}}": " & ".join(names[name] for name in item)
        for number, item in enumerate(added, 1)
    }
    return Derived(
        _matrix(stack, names, {**wished, **texts}, tuple(added), complete=complete), found
    )


def _first(stack: Stack, extra: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Wished sets, then one set for each model: what a version that writes sets out can take."""
    yield from extra
    for group in stack.told:
        yield grown(stack, group | stack.pinned)
    for name in list(stack.demand)[:LISTED]:
        if stack.allows(stack.pinned | {name}):
            yield grown(stack, stack.pinned | {name})


def _matrix(
    stack: Stack,
    names: Mapping[str, str],
    sets: Mapping[str, str],
    listed: tuple[tuple[str, ...], ...],
    *,
    complete: bool,
) -> Matrix:
    return Matrix(
        variables={variable: name for name, variable in names.items()},
        sets=sets,
        evict_costs={names[name]: stack.load_cost.get(name, 1) for name in stack.demand},
        listed=listed,
        complete=complete,
    )


def preference(stack: Stack, models: Sequence[str]) -> tuple[float, ...]:
    """Sort key of a set: wishes first, then priority, many models, llm.toml's order."""
    order = {name: index for index, name in enumerate(stack.demand)}
    wishes = sum(group <= set(models) for group in (*stack.together, *stack.wished))
    priority = sum(stack.priority.get(name, 0) for name in models)
    return (-wishes, -priority, -len(models), *(order[name] for name in models))


def variables(models: Iterable[str]) -> dict[str, str]:
    """A short variable for each model: the start of its name, numbered where two are alike."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    following: dict[str, int] = {}
    for model in models:
        stem = re.sub(r"[^a-z0-9]", "", model.lower())[:VARIABLE] or "m"
        name = stem
        while name in taken:
            following[stem] = following.get(stem, 1) + 1
            number = str(following[stem])
            name = stem[: VARIABLE - len(number)] + number
        taken.add(name)
        found[model] = name
    return found


def router(stack: Stack, wanted: int | None = None) -> Router:
    """The most models of which any choice fits, at least one; ``wanted`` says how many instead."""
    if wanted is not None:
        return Router(wanted)
    count = len(stack.demand)
    if any(len(group & {*stack.demand}) > 1 for group in stack.never):
        count = 1
    while count > 1 and any(stack.over(heaviest_any(stack, count, pool)) for pool in stack.budgets):
        count -= 1
    return Router(max(count, 1))


def heaviest_any(stack: Stack, count: int, pool: str) -> tuple[str, ...]:
    """The ``count`` models that take most of a pool."""
    ranked = sorted(stack.demand, key=lambda name: -stack.demand[name].get(pool, 0))
    return stack.ordered(ranked[:count])


def groups(stack: Stack) -> Groups:
    """llama-swap's groups: exactly what fits when that can be said in groups, else one at a time.

    Models of which no two fit together share a swapping group; groups are free of each other. That
    is exact when those that quarrel do so all with each other, and one of each group always fits.
    """
    rivals = _rivals(stack)
    cliques = [group for group in rivals if len(group) > 1]
    free = tuple(name for group in rivals if len(group) == 1 for name in group)
    exact = all(
        not stack.allows({one, other} | stack.pinned)
        for group in cliques
        for one in group
        for other in group
        if one < other
    ) and all(
        sum(
            (max(stack.demand[name].get(pool, 0) for name in group) for group in rivals),
            stack.sums(stack.pinned)[pool],
        )
        <= budget
        for pool, budget in stack.budgets.items()
    )
    swapping = cliques if exact else [[name for name in stack.demand if name not in stack.pinned]]
    kept = stack.ordered({*stack.pinned, *(free if exact else ())})
    found = [Group("kept", kept, swap=False)] if kept else []
    found += [
        Group(f"swap{number}", tuple(members), swap=True)
        for number, members in enumerate(swapping, 1)
        if members
    ]
    return Groups(tuple(found), complete=exact)


def _rivals(stack: Stack) -> list[list[str]]:
    """Models joined wherever two of them cannot be loaded together, in llm.toml's order."""
    waiting = [name for name in stack.demand if name not in stack.pinned]
    found: list[list[str]] = []
    while waiting:
        group, edge = [], [waiting.pop(0)]
        while edge:
            one = edge.pop()
            group.append(one)
            met = [name for name in waiting if not stack.allows({one, name} | stack.pinned)]
            waiting = [name for name in waiting if name not in met]
            edge += met
        found.append(list(stack.ordered(group)))
    return found

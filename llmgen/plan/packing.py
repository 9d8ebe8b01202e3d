"""The arithmetic below the planner: kinds of models with weights, under limits.

Every rule about what may be in memory together is a limit: a pool's budget, and for models that
must never meet a limit of one. Models of equal weight are one kind, so only counts matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from math import comb, prod
from typing import TypeAlias

from msgspec import Struct

from llmgen.plan.stack import Stack

Weight: TypeAlias = tuple[int, ...]
Counts: TypeAlias = tuple[int, ...]
# What is left of the limits, the lightest models left out so far, the counts taken so far.
_Branch: TypeAlias = tuple[Weight, tuple[Weight, ...], Counts]
# What each model takes of a limit, and the limit.
_Row: TypeAlias = tuple[Mapping[str, int], int]
# Comparisons under a few limits before a search gives up: about a quarter of a second.
PATIENCE = 100_000
# So many limits more cost as much again.
_FEW = 8


class Hopeless(Exception):
    """The search would take too long."""


class EqualModels(Struct, frozen=True):
    """Models that take the same from every limit, in llm.toml's order."""

    weight: Weight
    members: tuple[str, ...]


class Packing(Struct, frozen=True):
    """Kinds of models that may be packed together while no limit is passed.

    Kinds that use the same limits stand together, heavy ones first: so enumeration fails early
    and diagrams stay small. Limits that nothing can pass are left out.
    """

    kinds: tuple[EqualModels, ...]
    limits: Weight


def packing(stack: Stack) -> Packing:
    """The stack's on-demand models that are not pinned, under what the rest leaves."""
    base = stack.sums(stack.pinned)
    rows = [
        ({name: item.get(pool, 0) for name, item in stack.demand.items()}, budget - base[pool])
        for pool, budget in stack.budgets.items()
    ]
    rows += [
        ({name: int(name in group) for name in stack.demand}, 1 - len(group & stack.kept))
        for group in stack.never
    ]
    free = [name for name in stack.demand if name not in stack.pinned]
    binding = [(row, limit) for row, limit in rows if sum(row[name] for name in free) > limit]
    strict = [*_strictest(binding, [name for name in free if _alone(binding, name)])]
    return packed(
        {name: tuple(row[name] for row, _ in strict) for name in free if _alone(binding, name)},
        tuple(limit for _, limit in strict),
    )


def _alone(rows: Sequence[_Row], name: str) -> bool:
    """Whether a model fits by itself; one that does not is in no set, and decides nothing."""
    return all(row[name] <= limit for row, limit in rows)


def _strictest(rows: Sequence[_Row], names: Sequence[str]) -> Iterator[_Row]:
    """Rows that no other one implies: models divided over cards alike fill one card first.

    What takes no larger part of one limit than of another keeps the one where it keeps the other.
    """
    for place, (row, limit) in enumerate(rows):
        others = (
            (other, most)
            for at, (other, most) in enumerate(rows)
            if at != place
            and _implies(other, most, row, limit, names)
            # Of limits that imply each other the first stays.
            and (at < place or not _implies(row, limit, other, most, names))
        )
        if not any(True for _ in others):
            yield row, limit


def _implies(
    strict: Mapping[str, int], most: int, row: Mapping[str, int], limit: int, names: Sequence[str]
) -> bool:
    return all(row[name] * most <= strict[name] * limit for name in names)


def packed(weights: dict[str, Weight], limits: Weight) -> Packing:
    """Group equal weights; what does not fit alone is left out."""
    groups: dict[Weight, list[str]] = {}
    for name, weight in weights.items():
        if fits(weight, limits):
            groups.setdefault(weight, []).append(name)
    kinds = [EqualModels(weight, tuple(members)) for weight, members in groups.items()]
    kinds.sort(key=lambda kind: _order(kind.weight, limits))
    return Packing(tuple(kinds), limits)


def _order(weight: Weight, limits: Weight) -> tuple[tuple[bool, ...], float]:
    share = max(
        (part / limit for part, limit in zip(weight, limits, strict=True) if limit), default=0
    )
    return tuple(part == 0 for part in weight), -share


def fits(weight: Weight, limits: Weight) -> bool:
    """Whether no limit is passed."""
    return all(part <= limit for part, limit in zip(weight, limits, strict=True))


def less(limits: Weight, weight: Weight, times: int = 1) -> Weight:
    """What is left of the limits."""
    return tuple(limit - times * part for limit, part in zip(limits, weight, strict=True))


def most(kind: EqualModels, limits: Weight) -> int:
    """How many of a kind fit."""
    shares = (limit // part for limit, part in zip(limits, kind.weight, strict=True) if part)
    return min(len(kind.members), *shares, len(kind.members))


def maximal_counts(pack: Packing, patience: int = PATIENCE) -> Iterator[Counts]:
    """Every way to take so many of each kind that no model more fits, largest counts first.

    Depth first, one kind after the other; a branch dies when some model that it left out would
    fit even beside everything that can still come. Raises Hopeless after ``patience`` comparisons.
    """
    rest = _suffix_sums(pack)
    price = 1 + len(pack.limits) // _FEW
    waiting: list[_Branch] = [(pack.limits, (), ())]
    while waiting:
        left, blocked, counts = waiting.pop()
        level = len(counts)
        patience -= price * (1 + len(blocked))
        if patience < 0:
            raise Hopeless
        if any(fits(weight, less(left, rest[level])) for weight in blocked):
            continue
        if level == len(pack.kinds):
            yield counts
            continue
        kind = pack.kinds[level]
        for count in range(most(kind, left) + 1):
            skipped = blocked if count == len(kind.members) else _least(blocked, kind.weight)
            waiting.append((less(left, kind.weight, count), skipped, (*counts, count)))


def _suffix_sums(pack: Packing) -> list[Weight]:
    sums = [tuple(0 for _ in pack.limits)]
    for kind in reversed(pack.kinds):
        sums.append(less(sums[-1], kind.weight, -len(kind.members)))
    return sums[::-1]


def _least(weights: tuple[Weight, ...], new: Weight) -> tuple[Weight, ...]:
    """With ``new``, without weights that are blocked whenever a lighter one is."""
    if any(fits(old, new) for old in weights):
        return weights
    return (*(old for old in weights if not fits(new, old)), new)


def ways(pack: Packing, counts: Counts) -> int:
    """How many sets of models have these counts."""
    return prod(comb(len(members), count) for members, count in _taken(pack, counts))


def expand(pack: Packing, counts: Counts) -> Iterator[tuple[str, ...]]:
    """Those sets."""
    choices = (combinations(members, count) for members, count in _taken(pack, counts))
    return (tuple(name for part in chosen for name in part) for chosen in product(*choices))


def _taken(pack: Packing, counts: Counts) -> Iterator[tuple[tuple[str, ...], int]]:
    """(members, count) of the kinds that are there at all: of a thousand kinds a dozen."""
    pairs = zip(pack.kinds, counts, strict=True)
    return ((kind.members, count) for kind, count in pairs if count)


def maximal_sets(pack: Packing, at_most: int) -> list[tuple[str, ...]] | None:
    """Every maximal set; None when there are more than ``at_most``."""
    found: list[tuple[str, ...]] = []
    try:
        for counts in maximal_counts(pack):
            if len(found) + ways(pack, counts) > at_most:
                return None
            found += expand(pack, counts)
    except Hopeless:
        return None
    return found

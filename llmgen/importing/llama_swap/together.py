"""llama-swap's groups and matrix: which models it would load together, as wishes and pins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from math import prod
from typing import Any, Final

from msgspec import Struct

from llmgen.importing.llama_swap.expression import UnreadableExpression, sets_of
from llmgen.importing.parts import Item, Key, fault, lost

# So many sets are written; the derived ones hold every other that fits all the same.
MOST_SETS: Final = 64
_DERIVED: Final = "llmgen derives what may be loaded together from memory"
_Sets = Iterable[tuple[str, ...]]


class SwapGroup(Struct, frozen=True):
    """A group with llama-swap's defaults; ``members`` are the models that there are."""

    name: str
    members: tuple[str, ...]
    swap: bool = True
    exclusive: bool = True
    persistent: bool = False

    @property
    def choices(self) -> list[tuple[str, ...]]:
        """What it can have in memory: one member, or all of them."""
        return [(name,) for name in self.members] if self.swap else [self.members]

    @property
    def bound(self) -> bool:
        """Whether it gives way to the others, and they to it."""
        return self.exclusive and not self.persistent


def together(
    rest: Mapping[str, Any], models: Mapping[str, Any], names: Mapping[str, str]
) -> Iterator[Item]:
    """Sets that the file lets meet, models that nothing evicts, and what is wrong with both."""
    router = _table(_table(rest.get("routing")).get("router"))
    inner = _table(router.get("settings"))
    matrix = rest.get("matrix") or (inner.get("matrix") if router.get("use") == "matrix" else None)
    groups = rest.get("groups") or inner.get("groups")
    if (matrix or groups) and not models:
        yield lost(f"`{'matrix' if matrix else 'groups'}`", "the file has none of its models")
    if matrix:
        yield from _of_matrix(_table(matrix), models)
    elif groups:
        yield from _of_groups(_table(groups), models, names)
    for key in ("matrix", "groups"):
        if inner.get(key) and key != {"matrix": "matrix"}.get(str(router.get("use")), "groups"):
            yield lost(f"`routing.router.settings.{key}`", f"`use` is not `{key.rstrip('s')}`")


def _of_matrix(matrix: Mapping[str, Any], models: Mapping[str, Any]) -> Iterator[Item]:
    variables = {str(key): str(name) for key, name in _table(matrix.get("vars")).items()}
    for short, name in variables.items():
        if models and name not in models:
            yield lost(f"`matrix.vars.{short}`", f"no model is called `{name}`")
    if matrix.get("evict_costs"):
        yield lost("`matrix.evict_costs`", "llmgen counts what a model takes to load")
    sets = {str(key): str(text) for key, text in _table(matrix.get("sets")).items()}
    try:
        found = sets_of(sets, variables, MOST_SETS)
    except UnreadableExpression as error:
        yield lost("`matrix.sets`", f"{error}; {_DERIVED}")
        return
    for name in sorted({name for members in found for name in members} - {*models}):
        if models and name not in variables.values():
            yield lost(f"`{name}` in `matrix.sets`", "no model is called so")
    known = [tuple(name for name in models if name in members) for members in found]
    yield from _wishes(known, models)


def _of_groups(
    tables: Mapping[str, Any], models: Mapping[str, Any], names: Mapping[str, str]
) -> Iterator[Item]:
    groups = []
    for name, found in tables.items():
        table = _table(found)
        members = [str(member) for member in table.get("members") or ()]
        yield from _faults(str(name), table, members, models, names)
        groups.append(_group(str(name), table, [item for item in members if item in models]))
    placed = {name for group in groups for name in group.members}
    others = tuple(name for name in models if name not in placed)
    every = [*groups, SwapGroup("(default)", others)] if others else groups
    for group in every:
        if group.persistent and (not group.swap or len(group.members) == 1):
            for member in group.members:
                yield Key(("models", member), ("pin",), value=True)
        elif group.persistent and group.members:
            yield lost(
                f"`persistent` of the group `{group.name}`",
                "llmgen keeps models by name, and this group keeps one of several",
            )
    count = sum(prod(len(item.choices) for item in side) for side in _sides(every))
    if count <= MOST_SETS:
        yield from _wishes(_maximal(every), models)
        return
    yield lost(
        f"all but the groups' own sets of {count} that `groups` allows", f"{_DERIVED}, and more"
    )
    yield from _wishes((group.members for group in every if not group.swap), models)


def _group(name: str, table: Mapping[str, Any], members: Iterable[str]) -> SwapGroup:
    swap, exclusive, persistent = (
        table.get(key) if isinstance(table.get(key), bool) else default
        for key, default in (("swap", True), ("exclusive", True), ("persistent", False))
    )
    return SwapGroup(name, tuple(members), bool(swap), bool(exclusive), bool(persistent))


def _faults(
    name: str,
    table: Mapping[str, Any],
    members: list[str],
    models: Mapping[str, Any],
    names: Mapping[str, str],
) -> Iterator[Item]:
    if "exclusive" not in table and not table.get("persistent"):
        yield fault(
            "group-exclusive",
            f"group `{name}` says neither `exclusive: false` nor `persistent: true`: a request "
            f"for {' or '.join(f'`{member}`' for member in members)} unloads every other group",
            _DERIVED,
        )
    for member in members:
        if models and member not in models:
            yield fault(
                "group-member",
                f"group `{name}` names `{member}`, which is "
                f"{'an alias' if member in names else 'no model'}",
                "members are the models' own names",
            )
    for key in table:
        if key not in ("swap", "exclusive", "persistent", "members"):
            what = f"`groups.{name}.{key}`"
            yield fault("unknown-key", f"llama-swap ignores the key {what} without a word")


def _sides(groups: list[SwapGroup]) -> Iterator[list[SwapGroup]]:
    """Groups that can have models in memory at once: all free ones, and one that is bound."""
    free = [group for group in groups if not group.bound and group.members]
    bound = [group for group in groups if group.bound and group.members]
    for chosen in [[item] for item in bound] or [[]]:
        yield [*free, *chosen]


def _maximal(groups: list[SwapGroup]) -> Iterator[tuple[str, ...]]:
    for side in _sides(groups):
        for parts in product(*(group.choices for group in side)):
            yield tuple(name for part in parts for name in part)


def _wishes(sets: _Sets, models: Iterable[str]) -> Iterator[Item]:
    found = [frozenset(members) for members in sets if len(members) > 1]
    largest = [
        members for members in dict.fromkeys(found) if not any(members < other for other in found)
    ]
    if largest:
        order = [*models]
        wishes = [sorted(members, key=order.index) for members in largest]
        yield Key(("plan",), ("wish_together",), wishes)


def _table(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError("`groups` or `matrix` is no table")
    return value

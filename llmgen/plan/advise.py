"""When it does not fit: changes that do, each tried by planning it, cheapest first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, groupby
from math import inf
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.memory import HOST
from llmgen.errors import KeyPath
from llmgen.library import Library
from llmgen.plan.attempt import REFUSED, mended
from llmgen.plan.changes import RANK, WHEN, ModelChange, changes, offloads
from llmgen.plan.requirements import RequirementKey
from llmgen.plan.rewrite import Edit
from llmgen.plan.stack import Stack
from llmgen.plan.words import edit_words
from llmgen.units import show_size

# So many ways out are told.
TOLD = 3
# A library as numbers, and what is wrong with it.
Tried: TypeAlias = tuple[Stack, frozenset[RequirementKey]]
# Longer lists of changes of one kind are searched by halving: each wins more than the one before.
_SHORT = 8
# Models beyond these are not compared pair by pair, nor each tried in every way.
_PAIRS = 40


class Advice(Struct, frozen=True):
    """Changes that make the plan fit together: what they win on the full pool, what they cost."""

    changes: tuple[ModelChange, ...]
    won_bytes: int
    apart: tuple[tuple[str, str], ...] = ()
    beside: tuple[Edit, ...] = ()

    @property
    def sentence(self) -> str:
        """The keys to set, as people write them, and the price."""
        won = [f"{show_size(self.won_bytes)} less"] if self.won_bytes > 0 else []
        return f"{self.edits} fits ({'; '.join([*won, *self.prices])})"

    @property
    def edits(self) -> str:
        """The keys to set alone."""
        return edit_words((*_edits(self.changes), *self.beside))

    @property
    def prices(self) -> tuple[str, ...]:
        """What the changes cost, each once."""
        prices = [*dict.fromkeys(change.price for change in self.changes)]
        if self.apart:
            pairs = ", ".join(f"`{one}` and `{two}`" for one, two in self.apart[:3])
            prices.append(f"{pairs} no longer meet")
        return tuple(prices)


def _is_new(item: Advice, found: Sequence[Advice]) -> bool:
    """Whether a smaller cache type really leaves more context."""
    return all(item.changes[-1].edits != other.changes[-1].edits for other in found)


def _edits(made: Iterable[ModelChange]) -> tuple[Edit, ...]:
    return tuple(
        (("models", change.model.name, key), text) for change in made for key, text in change.edits
    )


class Adviser(Struct, frozen=True):
    """A requirement that overfills a pool, and how to try another library.

    ``library`` has nothing open: changes are sought with all else fixed. ``planned`` says whether
    llm.toml with these edits is mended, ``beside`` what else is edited in it.
    """

    library: Library
    pool: str
    key: KeyPath
    attempt: Callable[[Library], Tried]
    planned: Callable[[Sequence[Edit]], bool]
    beside: tuple[Edit, ...] = ()

    def advise(self, suspects: Sequence[str]) -> list[Advice]:
        """Single changes to these models that help, or else a chain of them."""
        before, wrong = self.attempt(self.library)
        ranked = sorted(suspects, key=lambda name: -_size(before, name, self.pool))
        found: list[Advice] = []
        for group in self._groups(self.library, ranked):
            made = self._least(self.library, group, wrong)
            made = made and self._planned_of(group, made)
            if made is not None:
                found.append(self._advice((made,), before))
            if len(found) == TOLD:
                return found
        if all(item.changes[0].kind == RANK[-1] for item in found):
            wider = filter(self._holds, self._types_and_context(ranked, before, wrong))
            found = [*(item for item in wider if _is_new(item, found)), *found]
        return found or [*filter(self._holds, self._several(ranked, before, wrong))]

    def _holds(self, advice: Advice) -> bool:
        return self.planned(_edits(advice.changes))

    def _planned_of(self, group: list[ModelChange], least: ModelChange) -> ModelChange | None:
        """The least change that also helps with all else open, and others then taking the room."""
        larger = group[group.index(least) :]
        if self.planned(_edits((least,))):
            return least
        if len(larger) < 2 or not self.planned(_edits(larger[-1:])):
            return None
        at = bisect_left(larger, True, lo=1, key=lambda item: self.planned(_edits((item,))))
        return larger[min(at, len(larger) - 1)]

    def _types_and_context(
        self, suspects: Sequence[str], before: Stack, wrong: frozenset[RequirementKey]
    ) -> Iterator[Advice]:
        """A smaller context that a smaller cache type keeps from shrinking as far."""
        for name in suspects:
            for first in changes(self.library.model(name), self.library):
                if first.kind != "cache_type_k":
                    continue
                library = changed(self.library, first)
                sizes = [item for item in changes(first.model, library) if item.kind == RANK[-1]]
                second = self._least(library, sizes, wrong) if sizes else None
                if second is not None:
                    yield self._advice((first, second), before)
                    return

    def _several(
        self, suspects: Sequence[str], before: Stack, wrong: frozenset[RequirementKey]
    ) -> list[Advice]:
        """What helps where no single cheap change does, by the dearest change in it."""
        near = suspects[:_PAIRS]
        found = [
            *self._chain(suspects, before, wrong),
            *self._loosened(near, before, wrong),
            *self._offloaded(near, before, wrong),
        ]
        return sorted(found, key=lambda item: max(RANK.index(one.kind) for one in item.changes))

    def _loosened(
        self, suspects: Sequence[str], before: Stack, wrong: frozenset[RequirementKey]
    ) -> Iterator[Advice]:
        """Several models that need not always be there, where one of them is not enough."""
        library, made = self.library, list[ModelChange]()
        for kind in WHEN:
            for name in suspects:
                offered = changes(library.model(name), library)
                item = next((other for other in offered if other.kind == kind), None)
                if item is None:
                    continue
                made.append(item)
                library = changed(library, item)
                if self._mended(library, wrong):
                    yield self._advice(self._needed(made, wrong), before)
                    return

    def _offloaded(
        self, suspects: Sequence[str], before: Stack, wrong: frozenset[RequirementKey]
    ) -> Iterator[Advice]:
        """As many layers of one model on the devices as they hold, the others on the host."""
        for name in suspects:
            group = [*offloads(self.library.model(name), self.library)]
            at = bisect_left(group, True, key=self._off)
            if at < len(group) and self._helps(self.library, group[at], wrong):
                yield self._advice((group[at],), before)
                return

    def _off(self, made: ModelChange) -> bool:
        """Whether the requirement holds on the devices at least."""
        _, left = self.attempt(changed(self.library, made))
        return all(key != self.key or pool == HOST for key, pool, _ in left)

    def _groups(self, library: Library, suspects: Sequence[str]) -> Iterator[list[ModelChange]]:
        """Changes of one kind to one model, least first; kinds in the order of their price."""
        offered = [
            (RANK.index(change.kind), place, index, change)
            for place, name in enumerate(suspects)
            for index, change in enumerate(changes(library.model(name), library))
        ]
        offered.sort(key=lambda item: item[:3])
        for _, group in groupby(offered, key=lambda item: item[:2]):
            yield [change for *_, change in group]

    def _least(
        self, library: Library, group: list[ModelChange], wrong: frozenset[RequirementKey]
    ) -> ModelChange | None:
        if len(group) <= _SHORT:
            return next((item for item in group if self._helps(library, item, wrong)), None)
        if not self._helps(library, group[-1], wrong):
            return None
        low, high = 0, len(group) - 1
        while low < high:
            middle = (low + high) // 2
            helps = self._helps(library, group[middle], wrong)
            low, high = (low, middle) if helps else (middle + 1, high)
        return group[low]

    def _helps(self, library: Library, made: ModelChange, wrong: frozenset[RequirementKey]) -> bool:
        return self._mended(changed(library, made), wrong)

    def _mended(self, library: Library, wrong: frozenset[RequirementKey]) -> bool:
        """Whether the requirement holds on every pool, and nothing new is broken."""
        _, left = self.attempt(library)
        return mended(left, wrong, self.key)

    def _chain(
        self, suspects: Sequence[str], before: Stack, wrong: frozenset[RequirementKey]
    ) -> Iterator[Advice]:
        """One change after the other, each as far as it goes, until it fits; then the needed."""
        library, left = self.library, self._size_of(self.library)
        made: list[ModelChange] = []
        kinds = [(group[0].kind, group[0].model.name) for group in self._groups(library, suspects)]
        for kind, name in kinds:
            group = [item for item in changes(library.model(name), library) if item.kind == kind]
            last = self._least(library, group, wrong)
            if last is not None:
                yield self._advice(self._needed([*made, last], wrong), before)
                return
            if group and self._size_of(changed(library, group[-1])) < left:
                made.append(group[-1])
                library = changed(library, group[-1])
                left = self._size_of(library)

    def _needed(
        self, made: list[ModelChange], wrong: frozenset[RequirementKey]
    ) -> tuple[ModelChange, ...]:
        """Without those that the others can do without, the dearest first."""
        for item in reversed(made[:-1]):
            fewer = self._again([other for other in made if other is not item])
            if fewer and self._mended(self._after(fewer), wrong):
                made = fewer
        return tuple(made)

    def _again(self, made: Sequence[ModelChange]) -> list[ModelChange]:
        """The same edits on the library as it was; empty when one of them is no longer possible."""
        library, found = self.library, []
        for item in made:
            offered = changes(library.model(item.model.name), library)
            same = next((other for other in offered if other.edits == item.edits), None)
            if same is None:
                return []
            found.append(same)
            library = changed(library, same)
        return found

    def _after(self, made: Sequence[ModelChange]) -> Library:
        library = self.library
        for change in made:
            library = changed(library, change)
        return library

    def _size_of(self, library: Library) -> float:
        """Bytes on the pool; without end where a server would not start."""
        stack, wrong = self.attempt(library)
        if REFUSED in wrong:
            return inf
        return sum(_size(stack, item.name, self.pool) for item in library.models)

    def _advice(self, made: tuple[ModelChange, ...], before: Stack) -> Advice:
        after, _ = self.attempt(self._after(made))
        names = {change.model.name for change in made}
        won = sum(_size(before, name, self.pool) - _size(after, name, self.pool) for name in names)
        return Advice(made, won, tuple(_apart(before, after)), self.beside)


def changed(library: Library, made: ModelChange) -> Library:
    """The library with the changed model in place of its own."""
    name = made.model.name
    models = tuple(made.model if item.name == name else item for item in library.models)
    return replace(library, models=models)


def _size(stack: Stack, name: str, pool: str) -> int:
    return (stack.demand.get(name) or stack.always.get(name) or {}).get(pool, 0)


def _apart(before: Stack, after: Stack) -> Iterator[tuple[str, str]]:
    """Pairs of on-demand models that met before and do not afterwards."""
    if len(before.demand) > _PAIRS:
        return
    for pair in combinations(before.demand, 2):
        if {*pair} <= {*after.demand} and before.allows(pair) and not after.allows(pair):
            yield pair

"""Where less memory is left than planned: one change of each sort that keeps what was planned.

What was measured comes in as edits of llm.toml that count it (``[budget] reserve``, ``memory`` of a
model). Each change is planned whole beside them, and judged by the sums that then hold.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from llmgen.errors import LlmgenError
from llmgen.library import Library
from llmgen.plan.attempt import Attempt, rewritten_attempt
from llmgen.plan.changes import RANK, WHEN, ModelChange, changes, closed
from llmgen.plan.place import place
from llmgen.plan.plan import State
from llmgen.plan.rewrite import Edit, rewritten

# A smaller cache, a smaller context, less that is always there, anything else: one of each is told.
_SORTS: Final = (
    ("cache_type_k",),
    ("ctx_size",),
    WHEN,
    tuple(kind for kind in RANK if kind not in ("cache_type_k", "ctx_size", *WHEN)),
)
# Longer lists of changes of one kind are searched by halving: each wins more than the one before.
_SHORT: Final = 8
# Models beyond these are not each tried.
_SUSPECTS: Final = 8
# So many models are compared pair by pair, and so many pairs kept apart by name.
_COMPARED, _APART = 40, 3
Pairs: TypeAlias = tuple[tuple[str, str], ...]
# Edits with their price.
_Step: TypeAlias = tuple[tuple[Edit, ...], str]


class Relief(Struct, frozen=True):
    """Edits beside those that count what was measured, their price, and llm.toml with both."""

    edits: tuple[Edit, ...]
    price: str
    after: Attempt


class MeasuredPlan(Struct, frozen=True):
    """A plan as it was made, and the same with what was measured counted in.

    ``models`` are those of the worst state, on-demand and always-on, on ``pool``.
    """

    before: Attempt
    counted: Attempt
    pool: str
    models: tuple[str, ...]

    @property
    def is_refused(self) -> bool:
        """Whether llm.toml with the measured figures is refused."""
        return bool(self.counted.wrong)

    def reliefs(self) -> Iterator[Relief]:
        """The first change of each sort that mends the plan, or gives back what it lost.

        Where none mends it alone, several, and models that are not served any more.
        """
        library = _as_settled(self.before, self.counted.library)
        sorts = _SORTS if self.is_refused else _SORTS[:2]
        found = [*filter(None, (self._first(library, kinds) for kinds in sorts))]
        if not found and self.is_refused:
            found = [*filter(None, [self._several(library)])]
        yield from found

    def _first(self, library: Library, kinds: Sequence[str]) -> Relief | None:
        """The least change of these kinds, to the largest model that it helps with."""
        for kind in kinds:
            for name in self._suspects(library):
                found = self._least(_group(library, name, kind))
                if found is not None:
                    return found
        return None

    def _several(self, library: Library) -> Relief | None:
        """One step after the other until it holds, without those that the others do without."""
        steps: list[_Step] = []
        for step in self._steps(library):
            steps.append(step)
            if self._planned(steps) is not None:
                break
        for step in reversed(steps[:-1]):
            fewer = [other for other in steps if other is not step]
            if self._planned(fewer) is not None:
                steps = fewer
        return self._planned(steps)

    def _steps(self, library: Library) -> Iterator[_Step]:
        """Smaller caches, then less that is always there, then fewer models, the largest first."""
        for kind in ("cache_type_k", *WHEN):
            for name in self._suspects(library):
                yield from map(_step, _group(library, name, kind)[:1])
        for name in self._suspects(library):
            yield ((("models", name, "enable"), "false"),), "it is not served"

    def _suspects(self, library: Library) -> list[str]:
        """Models of the worst state and of what no longer fits, the largest first."""
        stack = self.before.stack
        sizes = {**stack.always, **stack.demand}
        wanted = {*self.models}.union(*(item.requirement.models for item in self.counted.broken))
        names = [item.name for item in library.models if item.name in wanted]
        names.sort(key=lambda name: -sizes[name].get(self.pool, 0))
        return names[:_SUSPECTS]

    def _least(self, group: Sequence[ModelChange]) -> Relief | None:
        """The first of these changes that helps."""
        if len(group) <= _SHORT:
            return next(filter(None, (self._planned([_step(item)]) for item in group)), None)
        if not self._helps(group[-1]):
            return None
        return self._planned([_step(group[bisect_left(group, True, key=self._helps)])])

    def _helps(self, change: ModelChange) -> bool:
        return self._planned([_step(change)]) is not None

    def _planned(self, steps: Sequence[_Step]) -> Relief | None:
        """llm.toml with these edits and what was measured, where that holds and wins something."""
        edits = tuple(edit for made, _ in steps for edit in made)
        after = rewritten_attempt(self.counted, edits)
        if after is None or after.wrong or not (self.is_refused or self._wins(after)):
            return None
        return Relief(edits, "; ".join(dict.fromkeys(price for _, price in steps)), after)

    def _wins(self, after: Attempt) -> bool:
        """Whether models meet again, or have more context, than what was measured leaves them."""
        then, now = self.counted, after
        if not _allow(then, self.models):
            return _allow(now, self.models)
        return any(
            settled.settings.ctx_size > then.settled[name].settings.ctx_size
            for name, settled in now.settled.items()
        )

    def apart(self, after: Attempt | None = None) -> Pairs:
        """Pairs of on-demand models that met, and do not with the measured figures."""
        one, two = self.before.stack, (after or self.counted).stack
        if len(one.demand) > _COMPARED:
            return ()
        pairs = combinations(two.demand, 2)
        return tuple(
            pair
            for pair in pairs
            if {*pair} <= one.demand.keys() and one.allows(pair) and not two.allows(pair)
        )

    def kept_apart(self) -> tuple[Edit, ...]:
        """`never_together` that is enough for the plan as it was; nothing where it is not."""
        pairs = self.apart()
        if self.is_refused or not 0 < len(pairs) <= _APART:
            return ()
        old = self.before.library.config.plan.never_together
        sets = ", ".join(f"[{', '.join(map(_quoted, group))}]" for group in (*old, *pairs))
        edits: tuple[Edit, ...] = ((("plan", "never_together"), f"[{sets}]"),)
        try:
            plan = place(rewritten(self.before.library, edits))
        except LlmgenError:
            return ()
        return edits if all(map(self._holds, plan.states)) else ()

    def _holds(self, state: State) -> bool:
        """Whether a state has room as measured, with the sizes of then and with the measured."""
        stack = self.counted.stack
        named = [name for name in state.models if name in stack.demand]
        fits = all(size <= stack.budgets[pool] for pool, size in state.peaks.items())
        return fits and not stack.over(named)


def _allow(tried: Attempt, models: Sequence[str]) -> bool:
    return tried.stack.allows([name for name in models if name in tried.stack.demand])


def _group(library: Library, name: str, kind: str) -> list[ModelChange]:
    return [item for item in changes(library.model(name), library) if item.kind == kind]


def _step(change: ModelChange) -> _Step:
    edits = ((("models", change.model.name, key), text) for key, text in change.edits)
    return tuple(edits), change.price


def _quoted(name: str) -> str:
    return f'"{name}"'


def _as_settled(before: Attempt, library: Library) -> Library:
    """The library with every open value as it was settled, so that less of it can be written."""
    models = (closed(item, before.settled[item.name].settings) for item in library.models)
    return replace(library, models=tuple(models))

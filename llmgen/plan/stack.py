"""What the planner reasons about: bytes for each model and pool, and what llm.toml wishes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct, field

from llmgen.plan.plan import Footprint


class Stack(Struct, frozen=True):
    """Models of one host as numbers.

    ``always`` are services of their own, in every state; ``demand`` are loaded on demand, in
    llm.toml's order, ``pinned`` of them are never evicted. No two models of a ``never`` set may
    meet, always-on ones included. ``together`` has to fit, ``wished`` need not. ``load_cost`` is
    what a load takes, in tenths of a second.
    """

    budgets: Mapping[str, int]
    demand: Mapping[str, Footprint]
    always: Mapping[str, Footprint] = field(default_factory=dict)
    pinned: frozenset[str] = frozenset()
    together: tuple[frozenset[str], ...] = ()
    wished: tuple[frozenset[str], ...] = ()
    never: tuple[frozenset[str], ...] = ()
    priority: Mapping[str, int] = field(default_factory=dict)
    load_cost: Mapping[str, int] = field(default_factory=dict)
    _places: dict[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> frozenset[str]:
        """Models that are in memory whatever else is loaded."""
        return self.pinned | {*self.always}

    @property
    def told(self) -> tuple[frozenset[str], ...]:
        """Sets that llm.toml names and that may be: an engine is told of each."""
        kept = self.pinned
        return (*self.together, *(group for group in self.wished if self.allows(group | kept)))

    def sums(self, models: Iterable[str]) -> dict[str, int]:
        """Bytes on each pool when these on-demand models and every always-on one are loaded."""
        sums = dict.fromkeys(self.budgets, 0)
        for item in (*self.always.values(), *(self.demand[name] for name in models)):
            for pool in sums:
                sums[pool] += item.get(pool, 0)
        return sums

    def over(self, models: Collection[str]) -> dict[str, int]:
        """Missing bytes on each pool that these models overfill."""
        return {
            pool: used - self.budgets[pool]
            for pool, used in self.sums(models).items()
            if used > self.budgets[pool]
        }

    def quarrels(self, models: Collection[str]) -> Iterator[tuple[str, ...]]:
        """Members of each ``never`` set that meet in these models, or in what is always on."""
        present = (*self.always, *self.ordered(models)) if self.never else ()
        for group in self.never:
            met = tuple(name for name in present if name in group)
            if len(met) > 1:
                yield met

    def rivals(self, models: Collection[str]) -> set[str]:
        """Members of every ``never`` set that one of these models is in."""
        return {name for group in self.never if not group.isdisjoint(models) for name in group}

    def allows(self, models: Collection[str]) -> bool:
        """Whether these on-demand models may be loaded together."""
        return not self.over(models) and not any(self.quarrels(models))

    def ordered(self, models: Collection[str]) -> tuple[str, ...]:
        """The models in llm.toml's order."""
        if not self._places:
            self._places.update((name, place) for place, name in enumerate(self.demand))
        return tuple(sorted({*models} & self.demand.keys(), key=self._places.__getitem__))

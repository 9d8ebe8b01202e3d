"""Settings on trial: what everybody would have, and which required set would then overfill what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from llmgen.budget.settings import ServerSettings
from llmgen.engines.loaders import loader_of
from llmgen.errors import PlanError
from llmgen.library import Keep, Library, Model
from llmgen.plan.scale import Scale, stack
from llmgen.plan.splits import is_untold, told

TrialSettings = dict[str, ServerSettings]
# The limit of settings with which the server would not start.
REFUSED = "llama-server"


class TightPool(Struct, frozen=True):
    """Why no better value is possible: a pool, in a set of models."""

    pool: str
    models: tuple[str, ...]


class Required(Struct, frozen=True):
    """Sets of models that must fit, with the always-on ones, by model."""

    sets: Mapping[str, tuple[tuple[str, ...], ...]]
    any_of: int = 0
    demand: tuple[str, ...] = ()


class Trial(Struct, frozen=True):
    """A library whose models have these settings, and the sets that must fit."""

    library: Library
    weigh: Scale
    required: Required
    settings: TrialSettings = field(default_factory=dict)
    _whole: dict[str, int] = field(default_factory=dict)

    def limit(self, model: Model, settings: ServerSettings) -> TightPool | None:
        """What stands against these settings of this model, all others as they are."""
        chosen = {**self.settings, model.name: settings}
        try:
            return next(self._limits(model, told(self.library, self.weigh, chosen)), None)
        except PlanError:
            return TightPool(REFUSED, (model.name,))

    def fits(self, model: Model, settings: ServerSettings) -> bool:
        """Whether nothing does."""
        return self.limit(model, settings) is None

    def _limits(self, model: Model, chosen: TrialSettings) -> Iterator[TightPool]:
        for names in self.required.sets[model.name]:
            sums = self.sums(names, chosen)
            yield from (TightPool(pool, names) for pool in self._over(sums))
        if self.required.any_of:
            yield from self._any(model, chosen)

    def sums(self, names: Iterable[str], chosen: TrialSettings) -> dict[str, int]:
        """Bytes of these models on each pool."""
        sums = {pool.name: 0 for pool in self.weigh.pools}
        for name in names:
            for pool, size in self.weight(name, chosen).items():
                sums[pool] += size
        return sums

    def weight(self, name: str, chosen: TrialSettings) -> Mapping[str, int]:
        """Bytes of one model on each pool."""
        return self.weigh.footprint(self.weigh.models[name], chosen[name])

    def _over(self, sums: Mapping[str, int]) -> Iterator[str]:
        return (pool.name for pool in self.weigh.pools if sums[pool.name] > pool.budget_bytes)

    def _any(self, model: Model, chosen: TrialSettings) -> Iterator[TightPool]:
        """The heaviest models that the router can hold beside this one; others are theirs."""
        always = tuple(item.name for item in self.library.models if item.keep is Keep.ALWAYS)
        own = (model.name,) if model.keep is Keep.ON_DEMAND else ()
        others = [name for name in self.required.demand if name not in own]
        for pool in self.weigh.pools:
            sizes = {name: self.weight(name, chosen)[pool.name] for name in others}
            worst = sorted(sizes, key=lambda name: -sizes[name])
            names = (*always, *own, *worst[: self.required.any_of - len(own)])
            if self.sums(names, chosen)[pool.name] > pool.budget_bytes:
                yield TightPool(pool.name, names)

    def with_settings(self, model: Model, settings: ServerSettings) -> Trial:
        """The same with other settings of one model."""
        changed = {**self.settings, model.name: settings}
        return replace(self, settings=changed, _whole=self._moved(model.name, changed))

    def _moved(self, name: str, changed: TrialSettings) -> dict[str, int]:
        """The sum of all with one model changed; empty where it is not known."""
        if not self._whole or is_untold(changed[name]):
            return {}
        try:
            before, after = self.weight(name, self.settings), self.weight(name, changed)
        except PlanError:
            return {}
        return {pool: used - before[pool] + after[pool] for pool, used in self._whole.items()}

    def filled(self, name: str) -> dict[str, int]:
        """What all others together take of each pool, where all shares are written."""
        if not self._whole:
            self._whole.update(self.sums(self.settings, self.settings))
        own = self.weight(name, self.settings)
        return {pool: used - own[pool] for pool, used in self._whole.items()}

    def told(self) -> TrialSettings:
        """The settings as the servers get them: with the shares that follow from all others."""
        return told(self.library, self.weigh, self.settings)


def trial_of(library: Library, weigh: Scale) -> Trial:
    """All models as llm.toml says, what is open at its first choice."""
    settings = {item.name: item.settings for item in library.models}
    return Trial(library, weigh, required(library), settings)


def required(library: Library) -> Required:
    """What must fit, by the models that it speaks of; always-on and pinned ones are in all."""
    numbers = stack(library, {item.name: {} for item in library.models}, ())
    always, pinned = tuple(numbers.always), numbers.pinned
    groups = [pinned, *({name} | pinned for name in numbers.demand)]
    groups += [group | pinned for group in numbers.together]
    preload = {item.name for item in library.models if item.preload} & {*numbers.demand}
    groups += [preload | pinned] if preload else []
    every = tuple(dict.fromkeys((*always, *numbers.ordered(group)) for group in groups))
    found: dict[str, tuple[tuple[str, ...], ...]] = dict.fromkeys(
        (*always, *numbers.ordered(pinned)), every
    )
    mine: dict[str, list[tuple[str, ...]]] = {name: [] for name in numbers.demand}
    for names in every:
        for name in names:
            if name in mine:
                mine[name].append(names)
    found = {**{name: tuple(sets) for name, sets in mine.items()}, **found}
    return Required(found, _any_of(library), tuple(numbers.demand))


def _any_of(library: Library) -> int:
    services = library.config.services
    wanted = services.router.models_max
    return 0 if not loader_of(services).counts_models or wanted == "auto" else wanted

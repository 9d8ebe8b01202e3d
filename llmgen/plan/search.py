"""Every placement of the models that meet, where settling them one by one does not fit them all.

A branch ends when what is placed so far overfills a pool: what is added never takes less. Models
that only meet the always-loaded ones are no part of the search; each is tried against the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Final

from msgspec import Struct, field

from llmgen.budget.settings import ServerSettings
from llmgen.library import Keep, Model
from llmgen.plan import choices
from llmgen.plan.balance import divisions
from llmgen.plan.bounds import Least, least_of
from llmgen.plan.changes import CACHE_BITS
from llmgen.plan.gap import Gap, gap
from llmgen.plan.open_values import apply, open_keys
from llmgen.plan.rest import complete, floor
from llmgen.plan.trial import Trial

# So many models with open values that meet are searched, and so many steps taken: settings that are
# tried.
MODELS, STEPS = 8, 2_000
# Where divisions are, each that is tried or measured takes as many steps as it has layers: so much
# longer it takes to know its memory.
DIVISION_STEPS = 32_000
# Of layers that may leave the devices so many numbers are tried in a search.
COUNTS = 8


CUT: Final = "there are more placements than were tried"


class _Spent(Exception):
    """More steps than are taken."""


class _Search(Struct):
    trial: Trial
    meeting: tuple[Model, ...]
    apart: tuple[Model, ...]
    # What all take at least, where every division is tried.
    least: Least | None = None
    # Whether those that fill no device are tried, too.
    near: bool = True
    steps: int = STEPS
    known: set[tuple[str, ServerSettings]] = field(default_factory=set)

    def found(self, floored: frozenset[str]) -> Trial | None:
        """Settings with which everything fits, with these contexts at their floor."""
        return self._placed(self.trial, 0, floored)

    def _placed(self, trial: Trial, at: int, floored: frozenset[str]) -> Trial | None:
        if at == len(self.meeting):
            return self._beside(trial, floored)
        model = self.meeting[at]
        waiting = frozenset(item.name for item in (*self.meeting[at + 1 :], *self.apart))
        space = gap(trial, model, waiting)
        last = at + 1 == len(self.meeting) and not self.apart
        divided = self.least is not None and model.open.tensor_split and not last
        looked = partial(self._looked, model) if divided else None
        for settings in self._ways(space, looked, floored=model.name in floored):
            self._spend(model)
            if not space.fits(settings):
                continue
            placed = trial.with_settings(model, settings)
            if self._is_over(placed, at + 1):
                continue
            found = self._placed(placed, at + 1, floored)
            if found is not None:
                return found
        return None

    def _is_over(self, trial: Trial, count: int) -> bool:
        """Whether the models that are not placed yet have no room, whatever becomes of them."""
        placed = (model.name for model in self.meeting[:count])
        return self.least is not None and self.least.is_over(
            {name: trial.weight(name, trial.settings) for name in placed}
        )

    def _ways(
        self, space: Gap, looked: Callable[[ServerSettings], None] | None, *, floored: bool
    ) -> Iterator[ServerSettings]:
        """Settings to try: a division that is balanced, or each that ``looked`` is told of."""
        for values in _combinations(space, floored=floored):
            settings = apply(space, space.model.settings, values)
            yield settings
            if looked and len(settings.devices) > 1 and space.fits_devices(settings):
                yield from divisions(space, settings, looked, near=self.near)

    def _spend(self, model: Model) -> None:
        self.steps -= 1 if self.least is None else choices.blocks(model.facts) + 1
        if self.steps < 0:
            raise _Spent

    def _looked(self, model: Model, settings: ServerSettings) -> None:
        """What was looked at before is known, and costs nothing."""
        if (model.name, settings) not in self.known:
            self.known.add((model.name, settings))
            self._spend(model)

    def _beside(self, trial: Trial, floored: frozenset[str]) -> Trial | None:
        """Each of the others beside what is placed; the whole is asked at the end."""
        for model in self.apart:
            settings = self._alone(gap(trial, model, frozenset()), model.name in floored)
            if settings is None:
                return None
            trial = trial.with_settings(model, settings)
        everybody = (*self.meeting, *self.apart)
        whole = all(trial.fits(model, trial.settings[model.name]) for model in everybody)
        return trial if whole else None

    def _alone(self, space: Gap, floored: bool) -> ServerSettings | None:
        model, keys = space.model, open_keys(space.model)
        left = tuple(key for key in keys if key != "device")
        places = _devices(space) if "device" in keys else (model.settings.devices,)
        least = floor(model) if floored else choices.contexts(model)[0]
        for devices in places:
            now = apply(space, model.settings, {"device": devices} if "device" in keys else {})
            for spill in (False, True) if "n_gpu_layers" in left else (False,):
                found = complete(space, now, left, spill=spill, context=least)
                if found is not None:
                    return found
        return None


def search(trial: Trial, models: Sequence[Model]) -> tuple[Trial | None, str]:
    """Settings with which everything fits, as many contexts at their floor as can be; else None.

    The text says what was not searched.
    """
    meeting = [model for model in models if _meets(trial, model)]
    if len(meeting) > MODELS:
        return None, f"{len(meeting)} models with open values meet: not every placement was tried"
    return _looked(_Search(trial, *_parted(meeting, models)), models)


def can_be_divided(trial: Trial, models: Sequence[Model]) -> bool:
    """Whether layers of models that meet are left to the planner."""
    return any(model.open.tensor_split and _meets(trial, model) for model in models)


def search_divisions(trial: Trial, models: Sequence[Model]) -> tuple[Trial | None, str]:
    """The same with every division of their layers, not the balanced ones alone.

    Where those are too many, all that fill one device after the other are tried for each model.
    """
    meeting = [model for model in models if _meets(trial, model)]
    least = least_of(trial, meeting)
    if least.is_over({}):
        return None, ""
    parted, known = _parted(meeting, models), set[tuple[str, ServerSettings]]()
    for near in (True, False):
        looked = _Search(trial, *parted, least, near, DIVISION_STEPS, known)
        found, unsearched = _looked(looked, models)
        if found is not None or (near and not unsearched):
            return found, unsearched
    return None, CUT


def _parted(
    meeting: list[Model], models: Sequence[Model]
) -> tuple[tuple[Model, ...], tuple[Model, ...]]:
    """Models that meet, in the order of the search, and the others."""
    ordered = sorted(meeting, key=lambda model: (not _is_kept(model), -model.facts.size_bytes))
    return tuple(ordered), tuple(model for model in models if model not in meeting)


def _looked(looked: _Search, models: Sequence[Model]) -> tuple[Trial | None, str]:
    try:
        return _floored(looked, models), ""
    except _Spent:
        return None, CUT


def _floored(looked: _Search, models: Sequence[Model]) -> Trial | None:
    growing = [model.name for model in models if model.open.ctx_size]
    best = looked.found(frozenset(growing))
    if best is not None or not growing:
        return best
    best, reached = looked.found(frozenset()), frozenset[str]()
    for name in growing if best is not None else ():
        found = looked.found(reached | {name})
        if found is not None:
            best, reached = found, reached | {name}
    return best


def _is_kept(model: Model) -> bool:
    return model.keep is Keep.ALWAYS or model.pin


def _meets(trial: Trial, model: Model) -> bool:
    """Whether it shares a set with anything but what is always loaded, or is that itself."""
    if _is_kept(model) or trial.required.any_of > 1:
        return True
    kept = {item.name for item in trial.library.models if _is_kept(item)}
    return any({*names} - kept - {model.name} for names in trial.required.sets[model.name])


def _devices(space: Gap) -> Iterator[tuple[str, ...]]:
    """Every set of devices; fewer first, and of those the ones with most room."""
    every = choices.placements(space.model, space.trial.library)
    return iter(sorted(every, key=lambda keys: (len(keys), -sum(space.left[key] for key in keys))))


def _combinations(space: Gap, *, floored: bool) -> Iterator[Mapping[str, object]]:
    keys = open_keys(space.model)
    lists = {key: [*_values(space, key, floored=floored)] for key in keys}
    for combination in product(*lists.values()):
        yield dict(zip(lists, combination, strict=True))


def _values(space: Gap, key: str, *, floored: bool) -> Iterable[object]:
    model = space.model
    match key:
        case "device":
            return _devices(space)
        case "ctx_size":
            return (floor(model),) if floored else (choices.contexts(model)[0],)
        case "cache_type":
            return (min(choices.cache_types(model), key=_bits),)
        case "n_cpu_moe":
            return _some(choices.expert_layers(model))
        case "n_gpu_layers":
            return _some(choices.gpu_layers(model))
        case _:
            return ("auto",)


def _bits(types: tuple[str, str]) -> float:
    return sum(CACHE_BITS.get(name, 4.5) for name in types)


def _some(counts: Sequence[int]) -> list[int]:
    """Both ends and numbers between them."""
    last = len(counts) - 1
    most = min(last, COUNTS)
    places = (round(last * at / max(1, most)) for at in range(most + 1))
    return [counts[at] for at in dict.fromkeys(places)]

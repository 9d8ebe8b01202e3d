"""What models take of devices at least, however their layers are divided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.memory import HOST
from llmgen.errors import PlanError
from llmgen.library import Model
from llmgen.plan.open_values import open_keys
from llmgen.plan.plan import Footprint
from llmgen.plan.trial import Trial, TrialSettings

# Of more devices only all of them together are looked at.
_FEW = 8


class Least(Struct, frozen=True):
    """What each model takes at least: ``ways`` are footprints of which the smallest counts."""

    ways: Mapping[str, Sequence[Footprint]]
    sets: Sequence[Sequence[str]]
    room: Mapping[str, int]

    def is_over(self, placed: Mapping[str, Footprint]) -> bool:
        """Whether some set takes more of some devices than they have, with these ``placed``."""
        ways = {**self.ways, **{name: [one] for name, one in placed.items()}}
        return any(_over(ways, self.sets, among, self.room) for among in _among([*self.room]))


def hopeless(trial: Trial, models: Iterable[Model]) -> bool:
    """Whether some set that must fit takes more of some devices than they have, in any case."""
    return least_of(trial, models).is_over({})


def least_of(trial: Trial, models: Iterable[Model]) -> Least:
    """Of all models; what is not known is nothing."""
    room = {pool.name: pool.budget_bytes for pool in trial.weigh.pools if HOST not in pool.views}
    sets = {names for model in models for names in trial.required.sets[model.name]}
    try:
        settings = trial.told()
        ways = {model.name: [*_ways(trial, model, settings)] for model in trial.library.models}
    except PlanError:
        ways = {}
    return Least(ways, tuple(sets), room)


def _among(devices: Sequence[str]) -> Iterator[tuple[str, ...]]:
    counts = range(1, len(devices) + 1) if len(devices) <= _FEW else (len(devices),)
    for count in counts:
        yield from combinations(devices, count)


def _over(
    ways: Mapping[str, Sequence[Footprint]],
    sets: Iterable[Sequence[str]],
    among: Sequence[str],
    room: Mapping[str, int],
) -> bool:
    """Layers are on others than these where they can be, else all on one: each has its buffers."""
    least = {
        name: min((sum(one[key] for key in among) for one in found), default=0)
        for name, found in ways.items()
    }
    most = sum(room[key] for key in among)
    return any(sum(least.get(name, 0) for name in names) > most for names in sets)


def _ways(trial: Trial, model: Model, settings: TrialSettings) -> Iterator[Footprint]:
    """What a model takes with all layers on each of its devices, or as it is; none if unknown."""
    now, keys = settings[model.name], open_keys(model)
    if keys and keys != ("tensor_split",):
        return
    count = len(now.devices)
    for at in range(count) if keys and count > 1 else ():
        alone = tuple(float(other == at) for other in range(count))
        yield trial.weigh.footprint(model, replace(now, tensor_split=alone))
    if not keys or count < 2:
        yield trial.weigh.footprint(model, now)

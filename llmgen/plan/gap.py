"""What all other models, as they stand, leave to one model: its settings are tried against that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from llmgen.budget.memory import HOST
from llmgen.budget.settings import ServerSettings
from llmgen.errors import PlanError
from llmgen.library import Keep, Model
from llmgen.plan.splits import check_draft, is_untold, shared
from llmgen.plan.trial import Trial, TrialSettings

FreeBytes = Mapping[str, int]


class Gap(Struct, frozen=True):
    """The room of one model on each pool in the tightest set that must fit.

    ``free`` is what models that are always loaded leave, which shares follow where llm.toml has
    none; ``filled`` what all others together would take, where devices are to be chosen. Where
    others' shares follow this model in turn, the gap is not ``exact`` and the whole is asked too.
    """

    trial: Trial
    model: Model
    left: FreeBytes
    free: FreeBytes
    filled: FreeBytes
    exact: bool

    def fits(self, settings: ServerSettings) -> bool:
        """Whether everything that must fit does, with these settings of the model."""
        used = self.used(settings)
        if used is None or any(used[pool] > room for pool, room in self.left.items()):
            return False
        return self.exact or self.trial.fits(self.model, settings)

    def fits_devices(self, settings: ServerSettings) -> bool:
        """Whether the devices hold it, whatever the host has left."""
        used = self.used(settings)
        return used is not None and not any(used[key] > self.left[key] for key in self._devices())

    def used(self, settings: ServerSettings) -> FreeBytes | None:
        """Bytes on each pool; None where the server would refuse the settings."""
        try:
            whole = shared(self.model, settings, self.free)
            check_draft(self.model, whole)
            return self.trial.weigh.footprint(self.model, whole)
        except PlanError:
            return None

    def _devices(self) -> Iterator[str]:
        return (pool.name for pool in self.trial.weigh.pools if HOST not in pool.views)


def gap(trial: Trial, model: Model, waiting: frozenset[str] = frozenset()) -> Gap:
    """The gap of one model; those that are ``waiting`` take nothing yet."""
    absent = waiting | {model.name}
    others = {name: one for name, one in trial.settings.items() if name not in absent}
    kept = model.keep is Keep.ALWAYS or model.pin
    follow = any(is_untold(settings) for settings in others.values())
    settings = trial.told()
    budgets = {pool.name: pool.budget_bytes for pool in trial.weigh.pools}
    left = dict(budgets)
    for names in trial.required.sets[model.name]:
        _narrow(left, budgets, trial.sums([name for name in names if name not in absent], settings))
    if trial.required.any_of:
        for pool, budget in budgets.items():
            beside = trial.sums(_heaviest(trial, model, settings, pool, absent), settings)
            left[pool] = min(left[pool], budget - beside[pool])
    resident = trial.sums(_kept(trial, absent), settings)
    free = {pool: budget - resident[pool] for pool, budget in budgets.items()}
    filled: FreeBytes = {}
    if model.open.device:
        written = not (waiting or follow or is_untold(trial.settings[model.name]))
        filled = trial.filled(model.name) if written else trial.sums(others, settings)
    return Gap(trial, model, left, free, filled, exact=not (kept and follow) or bool(waiting))


def _narrow(left: dict[str, int], budgets: FreeBytes, used: FreeBytes) -> None:
    for pool, budget in budgets.items():
        left[pool] = min(left[pool], budget - used[pool])


def _heaviest(
    trial: Trial, model: Model, settings: TrialSettings, pool: str, absent: frozenset[str]
) -> Sequence[str]:
    """Always-on models, and the heaviest that the router can hold beside this one."""
    always = [
        item.name
        for item in trial.library.models
        if item.keep is Keep.ALWAYS and item.name not in absent
    ]
    own = int(model.keep is Keep.ON_DEMAND)
    others = [name for name in trial.required.demand if name not in absent]
    worst = sorted(others, key=lambda name: -trial.weight(name, settings)[pool])
    return [*always, *worst[: trial.required.any_of - own]]


def _kept(trial: Trial, absent: frozenset[str]) -> list[str]:
    return [
        item.name
        for item in trial.library.models
        if item.name not in absent and (item.keep is Keep.ALWAYS or item.pin)
    ]

"""Where settling begins: everything open at rest, on devices with which all that must fit does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmgen.budget.settings import ServerSettings
from llmgen.library import Model
from llmgen.plan import choices
from llmgen.plan.gap import Gap, gap
from llmgen.plan.open_values import apply, open_keys, values
from llmgen.plan.rest import complete, floor, highest
from llmgen.plan.search import can_be_divided, search, search_divisions
from llmgen.plan.trial import Trial


def start(trial: Trial, models: Sequence[Model]) -> tuple[Trial, str]:
    """Everything open at rest, and what was not searched where it does not fit.

    Nearly nothing is asked for where that alone fits. Where not all of it fits, or a context is
    below its floor, every placement of the models that meet is tried; last, every division of
    their layers.
    """
    rested = _at_rest(trial, models, least=False)
    fits = holds(rested, models)
    if not fits:
        least = _at_rest(trial, models, least=True)
        fits = holds(least, models)
        rested = least if fits else rested
    if fits and not any(_below(rested, model) for model in models):
        return rested, ""
    found, unsearched = search(rested, models)
    if found is None and not fits and can_be_divided(rested, models):
        found, unsearched = search_divisions(rested, models)
    return found or rested, unsearched


def holds(trial: Trial, models: Iterable[Model]) -> bool:
    """Whether everything that these models must fit into does."""
    return all(trial.fits(model, trial.settings[model.name]) for model in models)


def _below(trial: Trial, model: Model) -> bool:
    return model.open.ctx_size and trial.settings[model.name].ctx_size < floor(model)


def _at_rest(trial: Trial, models: Sequence[Model], *, least: bool) -> Trial:
    """First everybody as modest as possible, so that what then rests sees what others need."""
    for model in models:
        trial = trial.with_settings(model, _modest(gap(trial, model), least=least))
    for model in models:
        trial = trial.with_settings(model, rested(gap(trial, model)) or trial.settings[model.name])
    return trial


def rested(space: Gap) -> ServerSettings | None:
    """Everything open at its most modest, or nearly so where only that fits."""
    model, keys = space.model, open_keys(space.model)

    def found(context: int) -> ServerSettings | None:
        tries = (False, True) if "n_gpu_layers" in keys else (False,)
        ways = (
            complete(space, model.settings, keys, spill=spill, context=context) for spill in tries
        )
        return next(filter(None, ways), None)

    return highest(model, found)


def _modest(space: Gap, *, least: bool) -> ServerSettings:
    """On all devices, so that what is said missing where nothing fits is the least.

    ``least`` has no layer on them and a context of one step, where those are open.
    """
    model, keys = space.model, open_keys(space.model)
    modest: dict[str, object] = {
        "device": values(space, "device")[-1] if "device" in keys else None,
        "cache_type": choices.cache_types(model)[-1],
        "n_cpu_moe": choices.expert_layers(model)[-1],
        "n_gpu_layers": 0 if least else -1,
        "ctx_size": choices.contexts(model)[0] if least else floor(model),
    }
    return apply(space, model.settings, {key: modest[key] for key in keys if key in modest})

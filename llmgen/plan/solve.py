"""What llm.toml leaves open, settled: the best values that still fit, and why no better ones.

Values are settled in the order of ``[plan] prefer``, each at its best while those that follow
stand at their most modest: contexts at their floor, or as near below as any allowed choice comes;
with layers left open, all of them stay on the devices as long as that can fit at all.
Within one kind of value pinned and always-on models come first, then priority, then llm.toml's
order; contexts grow together before one grows beyond the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec import Struct

from llmgen.budget.settings import ServerSettings
from llmgen.library import Keep, Library, Model
from llmgen.plan import choices
from llmgen.plan.gap import Gap, gap
from llmgen.plan.open_values import KEYS, apply, is_open, values
from llmgen.plan.plan import Reason
from llmgen.plan.reasons import reasons
from llmgen.plan.rest import OFFLOAD, complete, first_true, highest
from llmgen.plan.scale import Scale
from llmgen.plan.splits import told
from llmgen.plan.start import holds, start
from llmgen.plan.trial import Trial, trial_of


class Settled(Struct, frozen=True):
    """A model's settings with nothing open, and the reasons for what was."""

    settings: ServerSettings
    reasons: tuple[Reason, ...] = ()


class Solution(Struct, frozen=True):
    """Every model's settings; ``unsearched`` says what was not tried where they do not fit."""

    settled: dict[str, Settled]
    unsearched: str = ""


def settle(library: Library, weigh: Scale) -> Solution:
    """Settings of every model, in llm.toml's order."""
    if any(model.open for model in library.models):
        trial, unsearched = solve(library, weigh)
        chosen = trial.told()
        settled = {
            model.name: Settled(chosen[model.name], tuple(reasons(trial, model)))
            for model in library.models
        }
        return Solution(settled, unsearched)
    chosen = told(library, weigh, {model.name: model.settings for model in library.models})
    return Solution({name: Settled(settings) for name, settings in chosen.items()})


def solve(library: Library, weigh: Scale) -> tuple[Trial, str]:
    """The settings of all models, best values in order; and what was not searched."""
    trial = trial_of(library, weigh)
    models = _ranked(library)
    trial, unsearched = start(trial, models)
    order = tuple(dict.fromkeys((*library.config.plan.prefer, *KEYS)))
    for place, key in enumerate(order):
        trial = _settle_all(trial, models, key, order[place + 1 :])
    # What was settled after a context may have given it room.
    return _raise_all(trial, models, "ctx_size"), unsearched


def _settle_all(trial: Trial, models: Sequence[Model], key: str, later: Sequence[str]) -> Trial:
    if key == "ctx_size":
        trial = _level(trial, models)
    return _raise_all(trial, models, key, later)


def _raise_all(trial: Trial, models: Sequence[Model], key: str, later: Sequence[str] = ()) -> Trial:
    """One value of each model at its best, one model after the other."""
    for model in models:
        if is_open(model, key):
            left = tuple(item for item in later if is_open(model, item))
            settings = _pick(gap(trial, model), trial.settings[model.name], key, left)
            trial = trial.with_settings(model, settings)
    return trial


def resettled(space: Gap, settings: ServerSettings, keys: Sequence[str]) -> ServerSettings:
    """One model's settings with these open values settled anew, in this order."""
    for place, key in enumerate(keys):
        if is_open(space.model, key):
            left = tuple(item for item in keys[place + 1 :] if is_open(space.model, item))
            settings = _pick(space, settings, key, left)
    return settings


def _ranked(library: Library) -> list[Model]:
    def rank(model: Model) -> tuple[bool, int]:
        return model.keep is Keep.ON_DEMAND and not model.pin, -model.priority

    return sorted((model for model in library.models if model.open), key=rank)


def _pick(space: Gap, now: ServerSettings, key: str, left: tuple[str, ...]) -> ServerSettings:
    """The best value for which the rest can be completed; as it stands when none is."""
    pick = _pick_devices if key == "device" and {*OFFLOAD} & {*left} else _pick_value

    def found(context: int) -> ServerSettings | None:
        tries = (False, True) if "n_gpu_layers" in left else (False,)
        ways = (pick(space, now, key, left, spill=spill, context=context) for spill in tries)
        return next(filter(None, ways), None)

    best = highest(space.model, found) if "ctx_size" in left else found(now.ctx_size)
    return best or now


def _pick_devices(
    space: Gap, now: ServerSettings, key: str, left: tuple[str, ...], *, spill: bool, context: int
) -> ServerSettings | None:
    """As few devices as hold the whole model; else as many as there are, and the rest on the host.

    A card stays empty only where nothing of the model has to leave the others.
    """
    options = values(space, key)
    most = sorted(options, key=lambda value: -len(value) if isinstance(value, tuple) else 0)
    whole = tuple(item for item in left if item != "n_cpu_moe")
    ways = ((most, left),) if spill else ((options, whole), (most, left))
    for among, keys in ways:
        experts = {} if keys == left else {"n_cpu_moe": 0}
        for devices in among:
            placed = apply(space, now, {key: devices, **experts})
            found = complete(space, placed, keys, spill=spill, context=context)
            if found is not None:
                return found
    return None


def _pick_value(
    space: Gap, now: ServerSettings, key: str, left: tuple[str, ...], *, spill: bool, context: int
) -> ServerSettings | None:
    options = values(space, key)
    tried = partial(complete, space, left=left, spill=spill, context=context)

    def at_index(index: int) -> ServerSettings | None:
        return tried(apply(space, now, {key: options[index]}))

    def on_devices(index: int) -> bool:
        settings = apply(space, now, {key: options[index]})
        return tried(settings, holds=space.fits_devices) is not None

    match key:
        case "ctx_size":
            # With a cache on the host a device can need a few MiB less with more context: what is
            # found then is still a context of which one step more does not fit.
            return _at(options, lambda index: at_index(index) is not None, at_index)
        case "n_cpu_moe" | "n_gpu_layers":
            # What the host lacks with as much on the devices as they hold, it lacks with less.
            return at_index(0) or _at(options, on_devices, at_index)
        case _:
            return next(filter(None, map(at_index, range(len(options)))), None)


def _at(
    options: Sequence[object],
    holds: Callable[[int], bool],
    found: Callable[[int], ServerSettings | None],
) -> ServerSettings | None:
    at = first_true(len(options), holds)
    return found(at) if at < len(options) else None


def _level(trial: Trial, models: Iterable[Model]) -> Trial:
    """Raise all open contexts together as far as every required set holds."""
    growing = [model for model in models if is_open(model, "ctx_size")]
    if len(growing) < 2:
        return trial
    longest = max(choices.contexts(model)[-1] // choices.slots(model.settings) for model in growing)
    levels = range(longest, choices.LEAST_CONTEXT, -choices.STEP)

    def raised(level: int) -> Trial | None:
        tried = trial
        for model in growing:
            sizes = choices.contexts(model)
            size = min(level * choices.slots(model.settings), sizes[-1])
            tried = tried.with_settings(model, _grown(tried, model, size))
        return tried if holds(tried, growing) else None

    at = first_true(len(levels), lambda index: raised(levels[index]) is not None)
    return (raised(levels[at]) if at < len(levels) else None) or trial


def _grown(trial: Trial, model: Model, size: int) -> ServerSettings:
    now = trial.settings[model.name]
    if not model.open.tensor_split:
        return choices.with_context(model, trial.library, now, size)
    return apply(gap(trial, model), now, {"ctx_size": size})

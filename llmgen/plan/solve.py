"""What llm.toml leaves open, settled: the best values that still fit, and why no better ones.

Values are settled in the order of ``[plan] prefer``, each at its best while those that follow
stand at their most modest; with layers left open, all of them stay on the devices as long as that
can fit at all. Within one kind of value pinned and always-on models come first, then priority, then
llm.toml's order; contexts grow together before one grows beyond the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product

from msgspec import Struct

from llmgen.budget.model import ServerSettings
from llmgen.library import Keep, Library, Model
from llmgen.plan import choices
from llmgen.plan.model import Reason
from llmgen.plan.open_values import KEYS, apply, is_open, open_keys, values
from llmgen.plan.reasons import reasons
from llmgen.plan.scale import Scale
from llmgen.plan.splits import told
from llmgen.plan.trial import Trial, required


class Settled(Struct, frozen=True):
    """A model's settings with nothing open, and the reasons for what was."""

    settings: ServerSettings
    reasons: tuple[Reason, ...] = ()


def settle(library: Library, weigh: Scale) -> dict[str, Settled]:
    """Settings of every model, in llm.toml's order."""
    if any(model.open for model in library.models):
        trial = solve(library, weigh)
        chosen = trial.told()
        return {
            model.name: Settled(chosen[model.name], tuple(reasons(trial, model)))
            for model in library.models
        }
    chosen = told(library, weigh, {model.name: model.settings for model in library.models})
    return {name: Settled(settings) for name, settings in chosen.items()}


def solve(library: Library, weigh: Scale) -> Trial:
    """The settings of all models, best values in order."""
    trial = Trial(
        library, weigh, required(library), {item.name: item.settings for item in library.models}
    )
    models = _ranked(library)
    trial = _start(trial, models)
    order = tuple(dict.fromkeys((*library.config.plan.prefer, *KEYS)))
    for place, key in enumerate(order):
        trial = _settle_all(trial, models, key, order[place + 1 :])
    # What was settled after a context may have given it room.
    return _raise_all(trial, models, "ctx_size")


def _start(trial: Trial, models: Sequence[Model]) -> Trial:
    """Everything open at rest; nearly nothing asked for where that alone fits."""
    rested = _at_rest(trial, models, least=False)
    if _holds(rested, models):
        return rested
    least = _at_rest(trial, models, least=True)
    return least if _holds(least, models) else rested


def _at_rest(trial: Trial, models: Sequence[Model], *, least: bool) -> Trial:
    """First everybody as modest as possible, so that what then rests sees what others need."""
    for model in models:
        trial = trial.with_settings(model, _modest(trial, model, least=least))
    for model in models:
        trial = trial.with_settings(model, _rested(trial, model))
    return trial


def _holds(trial: Trial, models: Iterable[Model]) -> bool:
    return all(trial.fits(model, trial.settings[model.name]) for model in models)


def _settle_all(trial: Trial, models: Sequence[Model], key: str, later: Sequence[str]) -> Trial:
    if key == "ctx_size":
        trial = _level(trial, models)
    return _raise_all(trial, models, key, later)


def _raise_all(trial: Trial, models: Sequence[Model], key: str, later: Sequence[str] = ()) -> Trial:
    """One value of each model at its best, one model after the other."""
    for model in models:
        if is_open(model, key):
            left = tuple(item for item in later if is_open(model, item))
            trial = trial.with_settings(model, _pick(trial, model, key, left))
    return trial


def _ranked(library: Library) -> list[Model]:
    def rank(model: Model) -> tuple[bool, int]:
        return model.keep is Keep.ON_DEMAND and not model.pin, -model.priority

    return sorted((model for model in library.models if model.open), key=rank)


def _rested(trial: Trial, model: Model) -> ServerSettings:
    """Everything open at its most modest, or nearly so where only that fits; else as it stands."""
    keys = open_keys(model)
    found = _complete(trial, model, model.settings, keys, spill=False)
    found = found or _complete(trial, model, model.settings, keys, spill=True)
    return found or trial.settings[model.name]


def _modest(trial: Trial, model: Model, *, least: bool) -> ServerSettings:
    """On all devices, so that what is said missing where nothing fits is the least.

    ``least`` has no layer on them and a context of one step, where those are open.
    """
    keys = open_keys(model)
    settings = next(_resting(trial, model, model.settings, keys, spill=least))
    if least and "ctx_size" in keys:
        settings = apply(trial, model, settings, "ctx_size", choices.contexts(model)[0])
    if "device" in keys:
        settings = apply(trial, model, settings, "device", values(trial, model, "device")[-1])
    return settings


def _pick(trial: Trial, model: Model, key: str, left: tuple[str, ...]) -> ServerSettings:
    """The best value for which the rest can be completed; as it stands when none is."""
    now = trial.settings[model.name]

    def complete(value: object, *, spill: bool) -> ServerSettings | None:
        return _complete(trial, model, apply(trial, model, now, key, value), left, spill=spill)

    options = values(trial, model, key)
    if key == "device" and {"n_cpu_moe", "n_gpu_layers"} & {*left}:
        return _pick_devices(trial, model, left) or now
    for spill in (False, True) if "n_gpu_layers" in left else (False,):
        found = _best(options, partial(complete, spill=spill), key)
        if found is not None:
            return found
    return now


def _pick_devices(trial: Trial, model: Model, left: tuple[str, ...]) -> ServerSettings | None:
    """As few devices as hold the whole model; else as many as there are, and the rest on the host.

    A card stays empty only where nothing of the model has to leave the others.
    """
    now, options = trial.settings[model.name], values(trial, model, "device")
    most = sorted(options, key=lambda value: -len(value) if isinstance(value, tuple) else 0)
    whole = tuple(key for key in left if key != "n_cpu_moe")
    for devices, keys, spill in ((options, whole, False), (most, left, False), (most, left, True)):
        for value in devices:
            placed = apply(trial, model, now, "device", value)
            if keys != left:
                placed = apply(trial, model, placed, "n_cpu_moe", 0)
            found = _complete(trial, model, placed, keys, spill=spill)
            if found is not None:
                return found
    return None


def _best(
    options: Sequence[object], complete: Callable[[object], ServerSettings | None], key: str
) -> ServerSettings | None:
    if key == "ctx_size":
        # With a cache on the host a device can need a few MiB less with more context: what is found
        # then is still a context of which one step more does not fit.
        at = _first_true(len(options), lambda index: complete(options[index]) is not None)
        return complete(options[at]) if at < len(options) else None
    return next(filter(None, map(complete, options)), None)


def _first_true(count: int, holds: Callable[[int], bool]) -> int:
    """The first index from which a monotone statement holds."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _complete(
    trial: Trial, model: Model, settings: ServerSettings, left: tuple[str, ...], *, spill: bool
) -> ServerSettings | None:
    tries = _resting(trial, model, settings, left, spill=spill)
    return next((item for item in tries if trial.fits(model, item)), None)


def _resting(
    trial: Trial, model: Model, settings: ServerSettings, left: tuple[str, ...], *, spill: bool
) -> Iterator[ServerSettings]:
    """The settings with what is left open at rest, the most modest first."""
    for combination in product(*(_rest(trial, model, key, spill=spill) for key in left)):
        rested = settings
        for key, value in zip(left, combination, strict=True):
            rested = apply(trial, model, rested, key, value)
        yield rested


def _rest(trial: Trial, model: Model, key: str, *, spill: bool) -> Sequence[object]:
    match key:
        case "ctx_size":
            sizes = choices.contexts(model)
            least = choices.LEAST_CONTEXT * choices.slots(model.settings)
            return tuple(dict.fromkeys((min(least, sizes[-1]), sizes[0])))
        case "n_cpu_moe":
            layers = choices.expert_layers(model)
            return tuple(dict.fromkeys((layers[-1], layers[0])))
        case "n_gpu_layers":
            return tuple(reversed(choices.gpu_layers(model)))[:-1] if spill else (-1,)
        case "cache_type":
            return choices.cache_types(model)[::-1]
        case _:
            return values(trial, model, key)


def _level(trial: Trial, models: Iterable[Model]) -> Trial:
    """Raise all open contexts together as far as every required set holds."""
    growing = [model for model in models if model.open.ctx_size]
    if len(growing) < 2:
        return trial
    longest = max(choices.contexts(model)[-1] // choices.slots(model.settings) for model in growing)
    levels = range(longest, choices.LEAST_CONTEXT, -choices.STEP)

    def raised(level: int) -> Trial | None:
        tried = trial
        for model in growing:
            sizes = choices.contexts(model)
            size = min(level * choices.slots(model.settings), sizes[-1])
            settings = apply(trial, model, tried.settings[model.name], "ctx_size", size)
            tried = tried.with_settings(model, settings)
        return tried if _holds(tried, growing) else None

    at = _first_true(len(levels), lambda index: raised(levels[index]) is not None)
    return (raised(levels[at]) if at < len(levels) else None) or trial

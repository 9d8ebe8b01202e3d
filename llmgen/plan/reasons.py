"""Why an open value came out as it did: what a better one would overfill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmgen.budget.settings import ServerSettings
from llmgen.library import Model
from llmgen.plan.gap import gap
from llmgen.plan.open_values import KEYS, apply, is_open, values
from llmgen.plan.plan import Reason
from llmgen.plan.trial import REFUSED, TightPool, Trial


def reasons(trial: Trial, model: Model) -> Iterator[Reason]:
    """A sentence for each value that llm.toml left open."""
    for key in KEYS:
        alone = key == "tensor_split" and len(trial.settings[model.name].devices) < 2
        if is_open(model, key) and not alone:
            yield _reason(trial, model, key)


def _reason(trial: Trial, model: Model, key: str) -> Reason:
    settings, space = trial.settings[model.name], gap(trial, model)
    options = values(space, key)
    at = _place(options, key, settings)
    if at == 0:
        return Reason(key, now(key, settings), BEST[key])
    if at is None:
        return Reason(key, now(key, settings), "the placement with which everything fits")
    better = apply(space, settings, {key: options[at - 1]})
    return Reason(key, now(key, settings), _why(trial.limit(model, better)))


def _place(options: Sequence[object], key: str, settings: ServerSettings) -> int | None:
    """Where the settled value stands among the options; None for devices that are none of them."""
    if key == "ctx_size":
        # A range of thousands, which need not be walked.
        return options.index(settings.ctx_size) if settings.ctx_size in options else 0
    wanted = now(key, settings)
    none = None if key == "device" else 0
    return next((at for at, value in enumerate(options) if spoken(key, value) == wanted), none)


def _why(limit: TightPool | None) -> str:
    match limit:
        case None:
            return "the best that left room for what was settled after it"
        case TightPool(pool, _) if pool == REFUSED:
            return "the server refuses a better one for this model"
        case TightPool(pool, models):
            return f"limited by {pool} in the set {{{', '.join(models)}}}"


BEST = {
    "ctx_size": "the length that the model was trained with",
    "n_gpu_layers": "all layers fit on the devices",
    "n_cpu_moe": "all experts fit on the devices",
    "cache_type": "the first of the list fits",
    "device": "the device with most room",
    "tensor_split": "in proportion to the room on the devices",
}


def spoken(key: str, value: object) -> str:
    """A value as text."""
    match key, value:
        case "n_gpu_layers", -1:
            return "all"
        case "cache_type", (keys, others):
            return str(keys) if keys == others else f"{keys}/{others}"
        case _, tuple():
            return ", ".join(
                f"{item:g}" if isinstance(item, float) else str(item) for item in value
            )
        case _:
            return str(value)


def now(key: str, settings: ServerSettings) -> str:
    """The settled value as text."""
    match key:
        case "cache_type":
            return spoken(key, (settings.cache_type_k, settings.cache_type_v))
        case "device":
            return spoken(key, settings.devices)
        case _:
            return spoken(key, getattr(settings, key))

"""What each open key can be, best first, and settings with one of them changed."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from llmgen.budget.model import ServerSettings
from llmgen.library import Model
from llmgen.plan import choices
from llmgen.plan.trial import Trial

KEYS = ("device", "tensor_split", "cache_type", "n_cpu_moe", "n_gpu_layers", "ctx_size")


def open_keys(model: Model) -> tuple[str, ...]:
    """What llm.toml leaves to the planner."""
    return tuple(key for key in KEYS if is_open(model, key))


def is_open(model: Model, key: str) -> bool:
    """Whether llm.toml leaves this to the planner."""
    if key == "cache_type":
        return bool(model.open.cache_type_k or model.open.cache_type_v)
    return bool(getattr(model.open, key))


def values(trial: Trial, model: Model, key: str) -> Sequence[object]:
    """What an open value can be, best first."""
    match key:
        case "ctx_size":
            return choices.contexts(model)[::-1]
        case "n_cpu_moe":
            return choices.expert_layers(model)
        case "n_gpu_layers":
            return choices.gpu_layers(model)
        case "cache_type":
            return choices.cache_types(model)
        case "device":
            return tuple(choices.devices(model, trial.library, trial.filled(model)))
        case _:
            return ("auto",)


def apply(
    trial: Trial, model: Model, settings: ServerSettings, key: str, value: object
) -> ServerSettings:
    """The settings with one value changed; a split is worked out for the devices that they have."""
    match key, value:
        case "ctx_size", int():
            return choices.with_context(model, trial.library, settings, value)
        case "cache_type", (str() as keys, str() as others):
            return replace(settings, cache_type_k=keys, cache_type_v=others)
        case "device", tuple():
            kept = model.settings.tensor_split if len(value) == len(model.settings.devices) else ()
            changed = replace(settings, devices=value, tensor_split=kept)
            return _split(trial, model, changed) if model.open.tensor_split else changed
        case "tensor_split", _:
            return _split(trial, model, settings)
        case "n_gpu_layers", int():
            return replace(settings, n_gpu_layers=value)
        case "n_cpu_moe", int():
            # The first layers lose their experts, so the split that was even is so no longer.
            changed = replace(settings, n_cpu_moe=value)
            return _split(trial, model, changed) if model.open.tensor_split else changed
        case _:
            raise TypeError(key)


def _split(trial: Trial, model: Model, settings: ServerSettings) -> ServerSettings:
    """The split nearest to the devices' room with which the model fits."""
    tries = [
        replace(settings, tensor_split=split)
        for split in choices.shares(model, trial.room(model), settings)
    ]
    return next((item for item in tries if trial.fits(model, item)), tries[0])

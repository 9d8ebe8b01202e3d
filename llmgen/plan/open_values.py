"""What each open key can be, best first, and settings with one of them changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from llmgen.budget.settings import ServerSettings
from llmgen.library import Model
from llmgen.plan import choices
from llmgen.plan.balance import balanced
from llmgen.plan.gap import Gap

KEYS = ("device", "tensor_split", "cache_type", "n_cpu_moe", "n_gpu_layers", "ctx_size")


def open_keys(model: Model) -> tuple[str, ...]:
    """What llm.toml leaves to the planner."""
    return tuple(key for key in KEYS if is_open(model, key))


def is_open(model: Model, key: str) -> bool:
    """Whether llm.toml leaves this to the planner."""
    if key == "cache_type":
        return bool(model.open.cache_type_k or model.open.cache_type_v)
    return bool(getattr(model.open, key))


def values(gap: Gap, key: str) -> Sequence[object]:
    """What an open value can be, best first."""
    model = gap.model
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
            return tuple(choices.devices(model, gap.trial.library, gap.filled))
        case _:
            return ("auto",)


def apply(gap: Gap, settings: ServerSettings, changes: Mapping[str, object]) -> ServerSettings:
    """The settings with values changed; an open split is worked out anew for what they need."""
    for key, value in changes.items():
        settings = _changed(gap, settings, key, value)
    return balanced(gap, settings) if gap.model.open.tensor_split and changes else settings


def _changed(gap: Gap, settings: ServerSettings, key: str, value: object) -> ServerSettings:
    model = gap.model
    match key, value:
        case "ctx_size", int():
            return choices.with_context(model, gap.trial.library, settings, value)
        case "cache_type", (str() as keys, str() as others):
            return replace(settings, cache_type_k=keys, cache_type_v=others)
        case "device", tuple():
            kept = model.settings.tensor_split if len(value) == len(model.settings.devices) else ()
            return replace(settings, devices=value, tensor_split=kept)
        case "tensor_split", _:
            return settings
        case "n_gpu_layers", int():
            return replace(settings, n_gpu_layers=value)
        case "n_cpu_moe", int():
            return replace(settings, n_cpu_moe=value)
        case _:
            raise TypeError(key)

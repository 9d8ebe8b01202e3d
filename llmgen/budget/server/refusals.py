"""Which settings the server refuses for a model (start-up failures of llama-server)."""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.settings import ServerSettings, SettingRefused
from llmgen.budget.shape.architectures import Family
from llmgen.budget.shape.hyperparameters import Hyperparameters
from llmgen.budget.shape.rows import CACHE_TYPES, is_quantized

_FLASH = ("on", "off", "auto")


def flash_attention(model: Hyperparameters, settings: ServerSettings) -> bool:
    """Whether flash attention runs; with a quantised V, ``auto`` means on."""
    if settings.flash_attn not in _FLASH:
        message = f"`flash_attn` is `{settings.flash_attn}`"
        raise SettingRefused("flash_attn", message, "use `on`, `off` or `auto`")
    return settings.flash_attn != "off" and not model.rules.never_flash


def check_cache_types(
    model: Hyperparameters, type_k: str, type_v: str, *, flash: bool, prefix: str = "cache_type_"
) -> None:
    """Refuse what the constructor of ``llama_context`` refuses."""
    for key, cache_type in ((f"{prefix}k", type_k), (f"{prefix}v", type_v)):
        if cache_type not in CACHE_TYPES:
            message = f"`{key}` is `{cache_type}`, which the server does not take"
            raise SettingRefused(key, message, f"use one of {', '.join(CACHE_TYPES)}")
    if is_quantized(type_v) and not flash:
        refuse_quantized_values(model, type_v, f"{prefix}v")
    if _needs_equal_types(model) and type_k != type_v:
        message = f"`{model.name}` needs the same type for K and V, not {type_k} and {type_v}"
        raise SettingRefused(f"{prefix}v", message, f'use `{prefix}v = "{type_k}"`')
    if flash or model.rules.has_cache:
        _check_blocks(model, type_k, type_v, flash=flash, prefix=prefix)


def refuse_quantized_values(model: Hyperparameters, type_v: str, key: str = "cache_type_v") -> None:
    """Refuse V in a type that needs flash attention."""
    if model.rules.never_flash:
        message = f"`{model.name}` runs without flash attention, so V cannot be {type_v}"
        raise SettingRefused(key, message, f'use `{key} = "f16"`')
    message = f"V in {type_v} needs flash attention, which is off"
    raise SettingRefused(key, message, 'use `flash_attn = "on"`, or f16 for V')


def _needs_equal_types(model: Hyperparameters) -> bool:
    latent = model.mla and Rule.LATENT_TYPES_FREE not in model.build
    return latent or model.rules.family is Family.COMPRESSED


def _check_blocks(
    model: Hyperparameters, type_k: str, type_v: str, *, flash: bool, prefix: str
) -> None:
    """A block must divide each head; without flash attention, each row of a cache."""
    for key, cache_type, lengths, width in (
        ("k", type_k, (model.key_length, model.key_length_window), model.key_width),
        ("v", type_v, (model.value_length, model.value_length_window), model.value_width),
    ):
        block = CACHE_TYPES[cache_type][0]
        if block == 1:
            continue
        for layer in range(model.layers):
            if not model.kv_heads[layer]:
                continue
            head = lengths[1] if model.windows.layers[layer] else lengths[0]
            if (head if flash else width(layer)) % block:
                message = f"heads of {head} elements cannot be stored in {cache_type}"
                hint = f'use `{prefix}{key} = "f16"`: blocks of {cache_type} have {block} elements'
                raise SettingRefused(f"{prefix}{key}", message, hint)

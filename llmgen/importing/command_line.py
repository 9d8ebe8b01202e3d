"""A llama-server command line as keys of a [models] table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from llmgen.errors import Diagnostic
from llmgen.importing.model import fault
from llmgen.plan.option_table import LOAD_MODE_SINCE, Option
from llmgen.plan.options import BY_FLAG, spelled

# Spellings that say that no layer stays on the host, whatever the model: more than any has.
ALL_LAYERS_FROM = 99
_LISTS = {"tensor_split": ",", "device": ",", "override_tensor": ",", "sampling.samplers": ";"}
# Options whose value is a secret, and what refers to one instead.
_SECRETS = {
    "--api-key": '`api_key = { env = "NAME" }` in [services]',
    "--hf-token": '`environment = { HF_TOKEN = { env = "HF_TOKEN" } }`',
}
_ROLES = {"--embedding": "embedding", "--reranking": "rerank"}


def keys_of(name: str, words: Sequence[str]) -> tuple[dict[str, Any], list[Diagnostic]]:
    """Keys of [models.NAME] that these words set, unknown words as ``extra_args``; and faults."""
    keys: dict[str, Any] = {}
    faults: list[Diagnostic] = []
    extra: list[str] = []
    for option, word, value in _options(words):
        if option is None:
            extra += [word] if value is None else [word, value]
        else:
            faults += _take(name, option, word, value, keys)
    if extra:
        keys["extra_args"] = extra
    faults += _judge(name, keys)
    return keys, faults


def _options(words: Sequence[str]) -> Iterator[tuple[Option | None, str, str | None]]:
    """(option of the table, its spelling here, its value); option None for unknown words."""
    at = 0
    while at < len(words):
        word = words[at]
        spelling, equals, value = word.partition("=")
        option = BY_FLAG.get(spelled(spelling))
        follows = words[at + 1] if at + 1 < len(words) else None
        bare = follows is None or (follows.startswith("-") and not _number(follows))
        at += 1
        if equals:
            yield option, spelling, value
        elif (option is not None and option.switch) or bare:
            yield option, word, None
        else:
            at += 1
            yield option, word, follows


def _take(
    name: str, option: Option, word: str, value: str | None, keys: dict[str, Any]
) -> Iterator[Diagnostic]:
    key = option.key
    if option.until == LOAD_MODE_SINCE:
        keys["load_mode"] = _load_mode(word)
        yield fault(
            "removed-option",
            f"`{word}` of `{name}` is gone since b{LOAD_MODE_SINCE}: newer servers do not start",
            "`load_mode` writes what the aimed build knows",
        )
    elif word in ("-t", "--threads") and value is not None and not value.lstrip("-").isdigit():
        yield fault(
            "threads-not-temperature",
            f"`{word} {value}` of `{name}` sets threads, not the temperature",
            "`sampling = { temp = " + value + " }`",
        )
    elif key == "role":
        keys["role"] = _ROLES[option.flag]
    elif key == "port" or not key or key.startswith("services."):
        if option.flag in _SECRETS and value:
            yield fault(
                "secret-in-clear",
                f"`{word}` of `{name}` holds a key in clear text",
                _SECRETS[option.flag],
            )
    else:
        _put(keys, key, _typed(option, word, value))


def _load_mode(word: str) -> str:
    return {"--mlock": "mlock", "--no-mmap": "none", "--mmap": "mmap"}.get(word, "dio")


def _put(keys: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 - any TOML value
    table, _, inner = key.partition(".")
    if inner:
        keys.setdefault(table, {})[inner] = value
    elif key == "lora":
        keys.setdefault("lora", []).append({"path": value})
    elif key == "aliases":
        keys["aliases"] = [part.strip() for part in str(value).split(",") if part.strip()]
    elif key == "cache_ram":
        # The option counts MiB; -1, no limit, cannot be planned with.
        keys[key] = f"{max(int(value), 0)}MiB"
    elif key == "n_gpu_layers" and isinstance(value, int):
        keys[key] = "all" if value < 0 or value >= ALL_LAYERS_FROM else value
    else:
        keys[key] = value


def _typed(option: Option, word: str, value: str | None) -> Any:  # noqa: ANN401 - any TOML value
    if value is None:
        if option.key == "flash_attn":
            return "on"
        return word not in option.negative
    if option.key == "chat_template_kwargs":
        return json.loads(value)
    if option.key in _LISTS:
        parts = [part for part in value.split(_LISTS[option.key]) if part]
        return [float(part) for part in parts] if option.key == "tensor_split" else parts
    if option.key == "flash_attn":
        return {"1": "on", "0": "off", "true": "on", "false": "off"}.get(value, value)
    return _number(value) if _number(value) is not None else value


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _judge(name: str, keys: dict[str, Any]) -> Iterator[Diagnostic]:
    """Combinations that the server accepts and that do not do what was meant."""
    context, slots = keys.get("ctx_size"), keys.get("parallel", 1)
    embeds = keys.get("role") in ("embedding", "rerank")
    if not isinstance(context, int) or not isinstance(slots, int) or context <= 0:
        keys.pop("ctx_size", None)
        return
    slot = context // slots
    if embeds and slot < 512:
        yield fault(
            "slot-too-small",
            f"`{name}` shares {context} tokens among {slots} slots: {slot} for each request",
            f"`ctx_size = {512 * slots}` or fewer slots",
        )
    batch = keys.get("ubatch_size", 512)
    if embeds and batch < slot:
        yield fault(
            "batch-below-input",
            f"`{name}` refuses inputs above {batch} tokens: its physical batch is smaller than "
            f"its {slot} tokens for each request",
            "llmgen sizes the physical batch by itself",
        )
        keys.pop("ubatch_size", None)

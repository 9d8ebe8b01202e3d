"""A llama-server command line as keys of a [models] table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from llmgen.errors import Diagnostic
from llmgen.importing.hub import of_repo, of_url
from llmgen.importing.model import fault, lost
from llmgen.option_table import LOAD_MODE_SINCE, Option
from llmgen.options import BY_FLAG, BY_VARIABLE, spelled

# Spellings that say that no layer stays on the host, whatever the model: more than any has.
ALL_LAYERS_FROM = 99
_LISTS = {"tensor_split": ",", "device": ",", "override_tensor": ",", "sampling.samplers": ";"}
# Options whose value is a secret, and what refers to one instead.
_SECRETS = {
    "--api-key": '`api_key = { env = "NAME" }` in [services]',
    "--hf-token": '`environment = { HF_TOKEN = { env = "HF_TOKEN" } }`',
}
# Options that llmgen sets by itself, whatever a file says, and those that only print something.
_OWN = frozenset({"--host", "--port", "--fit", "--list-devices"})
TRUE: Final = ("true", "1", "on", "yes")
_FALSE: Final = ("false", "0", "off", "no")
# Options whose value may be `on`.
_TAKES_ON: Final = ("flash-attn", "fa", "LLAMA_ARG_FLASH_ATTN")
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


def words_of(key: str, value: str) -> list[str]:
    """Words of a command line for an option of a preset or of the environment."""
    option = _flag(key)
    if value.lower() not in (*TRUE, *_FALSE) or key in _TAKES_ON:
        return [option, value]
    return [option if value.lower() in TRUE else f"--no-{option.lstrip('-')}"]


def _flag(key: str) -> str:
    """The option that a key means: its long or short name, or its environment variable."""
    if key in BY_VARIABLE:
        return BY_VARIABLE[key].flag
    return f"-{key}" if f"-{key}" in BY_FLAG else f"--{key}"


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
    elif option.flag in _SECRETS and value:
        yield fault(
            "secret-in-clear",
            f"`{word}` of `{name}` holds a key in clear text",
            _SECRETS[option.flag],
        )
    elif option.flag in _SOURCES and value and (found := _SOURCES[option.flag](value)):
        _over(keys, found)
    elif not key or key == "port" or key.startswith("services."):
        if option.flag not in _OWN:
            yield lost(f"`{word}` of `{name}`", "llm.toml has no key for it")
    elif key == "cache_ram" and value is not None and value.startswith("-"):
        yield lost(f"`{word} {value}` of `{name}`", "a cache without a limit cannot be planned")
    else:
        _put(keys, key, _typed(option, word, value))


def _over(keys: dict[str, Any], found: Mapping[str, Any]) -> None:
    for key, value in found.items():
        if isinstance(value, dict):
            keys.setdefault(key, {}).update(value)
        else:
            keys[key] = value


def _file(value: str) -> dict[str, Any]:
    return {"hf_file": value}


def _draft(value: str) -> dict[str, Any]:
    found = of_repo(value)
    return {"draft": found} if found else {}


_SOURCES: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {
    "--hf-repo": of_repo,
    "--hf-file": _file,
    "--model-url": of_url,
    "--spec-draft-hf": _draft,
}


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
        # The option counts MiB.
        keys[key] = f"{int(value)}MiB"
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

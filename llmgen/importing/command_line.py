"""A llama-server command line as keys of a [models] table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from llmgen.config.tables.base import TEXT
from llmgen.errors import Diagnostic
from llmgen.importing.arguments import Argument, read, words_of
from llmgen.importing.hub import of_repo, of_url
from llmgen.importing.option_conflicts import settle
from llmgen.importing.parts import fault, lost
from llmgen.importing.values import ALL_LAYERS_FROM, Unusable, value_of
from llmgen.option_table import LOAD_MODE_SINCE
from llmgen.options import REPEATED, refused_extra, spelled
from llmgen.resolve.extra_args import wrong
from llmgen.server_help import FALSEY

__all__ = ["ALL_LAYERS_FROM", "NO_OPTION", "keys_of", "words_of"]

_NO_OPTION: Final = "no-option"
# The code of options that no llama-server has.
NO_OPTION: Final = f"import.{_NO_OPTION}"
# Options whose value is a secret, and what refers to one instead.
_SECRETS = {
    "--api-key": '`api_key = { env = "NAME" }` in [services]',
    "--hf-token": '`environment = { HF_TOKEN = { env = "HF_TOKEN" } }`',
}
# Options that llmgen sets by itself, whatever a file says, and those that only print something.
_OWN = frozenset({"--host", "--port", "--list-devices"})
_ROLES = {"--embedding": "embedding", "--reranking": "rerank"}
# Why llm.toml has no key for it; of the others, that it has none.
_FIT = "llmgen writes `--fit off`: what was planned is what runs"
_WHY: Final[Mapping[str, str]] = {
    "--fit": _FIT,
    "--fit-ctx": _FIT,
    "--fit-print": _FIT,
    "--fit-target": _FIT,
    "--mmproj-auto": "llmgen names each projector (`mmproj`)",
    "--models-autoload": "llmgen says of each model whether it is loaded at the start (`preload`)",
    "--models-dir": "each model is a table of llm.toml",
    "--models-max": "what may be loaded together is derived from memory",
    "--models-preset": "llmgen writes the presets; import that file too",
    "--override-kv": "it changes the header that the plan is made from",
    "--rpc": "memory of other machines is not planned",
}


def keys_of(
    name: str, words: Sequence[str], *, fork: bool = False
) -> tuple[dict[str, Any], list[Diagnostic]]:
    """Keys of [models.NAME] that these words set, options without a key as ``extra_args``; faults.

    Options that no build of llama-server has are named, or kept for a ``fork`` that has them.
    """
    keys: dict[str, Any] = {}
    extra: dict[str, list[str]] = {}
    faults: list[Diagnostic] = []
    for argument in read(words):
        if argument.option is None:
            faults += _keep(name, argument, extra, fork=fork)
        else:
            faults += _take(name, argument, keys)
    if extra:
        keys["extra_args"] = [word for kept in extra.values() for word in kept]
    faults += settle(name, keys)
    return keys, faults


def _keep(
    name: str, argument: Argument, extra: dict[str, list[str]], *, fork: bool
) -> Iterator[Diagnostic]:
    """An option without a key: kept as it stands."""
    what = f"`{argument.shown}` of `{name}`"
    words = [argument.spelling, *argument.values]
    said = wrong(argument.spelling, argument.values)
    unknown = argument.listed is None and bool(spelled(argument.word))
    if argument.wrong:
        yield fault("bad-value", f"{what} is left out: {argument.wrong}")
    elif said and not (fork and unknown):
        code = _NO_OPTION if unknown else "bad-value"
        yield fault(code, f"{what} is left out: it {said[0]}", said[1])
    elif not all(re.fullmatch(TEXT, word) for word in words):
        yield lost(what, "llm.toml holds one line of text for each word")
    elif [*refused_extra(words)]:
        yield lost(what, "its value reads like an option")
    elif argument.flag in (*REPEATED, "--tags"):
        extra.setdefault(argument.flag, []).extend(words)
    else:
        extra.pop(argument.flag, None)
        extra[argument.flag] = words
        if said:
            yield fault("own-option", f"{what} is kept for a program of its own: it {said[0]}")


def _take(name: str, argument: Argument, keys: dict[str, Any]) -> Iterator[Diagnostic]:
    option, flag = argument.option, argument.flag
    if option is None:
        return
    what = f"`{argument.word}` of `{name}`"
    if flag in _SECRETS:
        yield fault("secret-in-clear", f"{what} holds a key in clear text", _SECRETS[flag])
    elif flag in _OWN:
        return
    elif argument.wrong:
        yield fault("bad-value", f"`{argument.shown}` of `{name}` is left out: {argument.wrong}")
    elif option.until == LOAD_MODE_SINCE:
        older = keys.get("load_mode")
        keys["load_mode"] = {**(older if isinstance(older, dict) else {}), flag: not argument.off}
        yield fault(
            "removed-option",
            f"{what} is gone since b{LOAD_MODE_SINCE}: newer servers do not start",
            "`load_mode` writes what the aimed build knows",
        )
    elif flag == "--threads" and not re.fullmatch(r"\s*[+-]?\d+\s*", argument.value):
        yield fault(
            "threads-not-temperature",
            f"`{argument.shown}` of `{name}` sets threads, not the temperature",
            "`sampling = { temp = " + argument.value + " }`",
        )
    elif flag in _SOURCES:
        found = _SOURCES[flag](argument.value)
        _over(keys, found)
        if not found:
            yield lost(f"`{argument.shown}` of `{name}`", "it names no model of the Hub")
    elif not option.key or option.key.startswith("services."):
        if _is_ours(argument):
            return
        yield lost(f"`{argument.shown}` of `{name}`", _WHY.get(flag, "llm.toml has no key for it"))
    else:
        yield from _set(name, argument, option.key, keys)


def _is_ours(argument: Argument) -> bool:
    """Whether it says what llmgen does anyway."""
    if argument.flag == "--fit":
        return argument.value in FALSEY
    negative = argument.option.negative if argument.option is not None else ()
    return argument.off and (argument.flag == "--mmproj-auto" or not negative)


def _set(name: str, argument: Argument, key: str, keys: dict[str, Any]) -> Iterator[Diagnostic]:
    if key == "role":
        if not argument.off and keys.get("role") != "rerank":
            keys["role"] = _ROLES[argument.flag]
        return
    if argument.option is not None and argument.option.switch:
        _put(keys, key, not argument.off)
        return
    try:
        _put(keys, key, value_of(key, argument.flag, argument.value))
    except Unusable as error:
        yield fault("bad-value", f"`{argument.shown}` of `{name}` is left out: {error}")


def _put(keys: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 - any TOML value
    """Set a key, or add to it what the server adds; what sets the same thing gives way."""
    table, _, inner = key.partition(".")
    if inner:
        found = keys.setdefault(table, {})
        found[inner] = f"{found[inner]},{value}" if key in _LISTED and inner in found else value
        return
    match key, keys.get(key):
        case (("override_tensor" | "cpu_moe" | "n_cpu_moe"), _):
            keys.setdefault("override_tensor", []).append({key: value})
        case (("lora" | "aliases"), list() as before):
            keys[key] = [*before, *value]
        case "chat_template_kwargs", dict() as before:
            keys[key] = {**before, **value}
        case _:
            keys[key] = value
    for other in _SAME.get(key, ()):
        keys.pop(other, None)


# Comma lists that grow.
_LISTED: Final = ("draft.spec_type",)
# Keys whose options set one and the same parameter: the last one counts.
_SAME: Final[Mapping[str, tuple[str, ...]]] = {
    "chat_template": ("chat_template_file",),
    "chat_template_file": ("chat_template",),
    "rope_freq_scale": ("rope_scale",),
    "rope_scale": ("rope_freq_scale",),
}


def _over(keys: dict[str, Any], found: Mapping[str, Any]) -> None:
    for key, value in found.items():
        if isinstance(value, dict):
            keys.setdefault(key, {}).update(value)
        else:
            keys[key] = value


def _file(value: str) -> dict[str, Any]:
    return {"hf_file": value} if value else {}


def _draft(value: str) -> dict[str, Any]:
    found = of_repo(value)
    return {"draft": found} if found else {}


_SOURCES: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {
    "--hf-repo": of_repo,
    "--hf-file": _file,
    "--model-url": of_url,
    "--spec-draft-hf": _draft,
}

"""llama-swap's config.yaml as an llm.toml."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any

from llmgen.errors import Diagnostic
from llmgen.importing.command_line import keys_of, words_of
from llmgen.importing.model import Part, TablePath, fault, is_secret, lost, merged
from llmgen.options import is_option_variable

# Top-level keys that llama-swap reads (v250); it ignores all others without a word.
KNOWN = frozenset(
    {
        "models",
        "healthCheckTimeout",
        "globalTTL",
        "unloadTimeout",
        "startPort",
        "macros",
        "logLevel",
        "logTimeFormat",
        "logToStdout",
        "logRequests",
        "metricsMaxInMemory",
        "captureBuffer",
        "store",
        "ui",
        "performance",
        "sendLoadingState",
        "includeAliasesInList",
        "apiKeys",
        "hooks",
        "groups",
        "matrix",
        "routing",
        "profiles",
        "selectors",
        "peers",
        "upstream",
    }
)
_SETTINGS = {
    "startPort": "start_port",
    "healthCheckTimeout": "health_check_timeout",
    "unloadTimeout": "unload_timeout",
    "logLevel": "log_level",
    "logToStdout": "log_to_stdout",
    "sendLoadingState": "send_loading_state",
    "metricsMaxInMemory": "metrics_max_in_memory",
    "captureBuffer": "capture_buffer",
}
_READ = {*_SETTINGS, "models", "macros", "globalTTL", "apiKeys", "hooks", "peers"}
# Keys of a model that are read, and those that llmgen sets by itself.
_TAKEN = frozenset(
    {"cmd", "macros", "env", "aliases", "name", "description", "ttl", "unlisted", "filters"}
    | {"filters.setParamsByID", "concurrencyLimit", "proxy", "checkEndpoint", "capabilities"}
)
# Linux takes no longer word (MAX_ARG_STRLEN).
_LONGEST_COMMAND = 2**17
_ENV = re.compile(r"\$\{env\.(\w+)\}")
_MACRO = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")


def is_llama_swap(document: object) -> bool:
    """Whether a YAML document is for llama-swap."""
    if not isinstance(document, dict):
        return False
    models = document.get("models")
    commands = isinstance(models, dict) and any(
        isinstance(item, dict) and "cmd" in item and "sampler_args" not in item
        for item in models.values()
    )
    return commands or bool({"groups", "matrix", "apiKeys", "hooks", "macros"} & set(document))


def from_llama_swap(document: Mapping[str, Any]) -> Part:
    """Models, groups, keys and settings of a llama-swap configuration."""
    macros = {str(key): str(value) for key, value in (document.get("macros") or {}).items()}
    models = {str(key): value or {} for key, value in (document.get("models") or {}).items()}
    parts = [_model(name, table, macros) for name, table in models.items()]
    parts.append(_settings(document))
    names = set(models) | {alias for table in models.values() for alias in table.get("aliases", [])}
    parts += [_peer(str(name), table or {}) for name, table in _table(document, "peers").items()]
    faults = [*_keys(document), *_groups(document, set(models), names)]
    preload = (document.get("hooks") or {}).get("on_startup", {}).get("preload", [])
    for name in preload:
        if name in models:
            parts.append(Part({("models", name): {"preload": True}}))
        elif models and name not in names:
            faults.append(
                fault(
                    "preload-unknown",
                    f"preload names `{name}`, which no model is called: it is dropped silently",
                    "write `preload = true` into the model that is meant",
                )
            )
    return merged([*parts, Part({}, tuple(faults))])


def _model(name: str, table: Mapping[str, Any], macros: Mapping[str, str]) -> Part:
    own = {str(key): str(value) for key, value in (table.get("macros") or {}).items()}
    command = table.get("cmd", "")
    if not isinstance(command, str):
        raise TypeError(f"`cmd` of `{name}` is no text")
    command = _expanded(command, {**macros, **own, "MODEL_ID": name})
    try:
        words = shlex.split(_lines(command))
    except ValueError as error:
        raise ValueError(f"`cmd` of `{name}`: {error}") from error
    words, added = _without_env(words)
    table = {**table, "env": [*(table.get("env") or []), *added]}
    # A macro that this file does not define is a folder or a program of the file's user.
    if not words or "llama-server" not in PurePosixPath(words[0].replace("_", "-")).name:
        what = PurePosixPath(words[0]).name if words else "nothing"
        return Part({}, (lost(f"`{name}`", f"it runs {what}, not llama-server"),))
    # The command line wins over the environment.
    keys, faults = keys_of(name, [*_option_words(table), *words[1:]])
    tables: dict[TablePath, dict[str, Any]] = {}
    if words[0].startswith("/"):
        tables["paths",] = {"llama_server": words[0]}
    model = keys.get("model")
    if isinstance(model, str) and model.startswith("${"):
        keys["model"] = model.partition("/")[2]
    elif isinstance(model, str) and not model.startswith(("/", "~")):
        faults.append(
            fault(
                "relative-model",
                f"`{name}` reads `{model}` from whatever folder llama-swap was started in",
                "llmgen writes absolute paths below [paths] models",
            )
        )
    if table.get("aliases"):
        keys["aliases"] = [str(alias) for alias in table["aliases"]]
    if isinstance(table.get("ttl"), int) and table["ttl"] >= 0:
        keys["ttl"] = table["ttl"]
    for key, to in (("name", "title"), ("description", "description")):
        if table.get(key):
            keys[to] = str(table[key])
    if table.get("unlisted"):
        keys["unlisted"] = True
    if table.get("concurrencyLimit"):
        keys["concurrency_limit"] = int(table["concurrencyLimit"])
    faults += _environment(name, table, keys)
    filters = _table(table, "filters")
    faults += [
        lost(f"`{key}` of `{name}`", "llm.toml has no key for it")
        for key in (*table, *(f"filters.{key}" for key in filters))
        if key not in _TAKEN
    ]
    variants = filters.get("setParamsByID") or {}
    for other, params in variants.items():
        if other not in ("${MODEL_ID}", name):
            keys.setdefault("variants", {})[_expanded(str(other), {"MODEL_ID": name})] = {
                "params": params
            }
    tables["models", name] = keys
    return Part(tables, tuple(faults))


def _option_words(table: Mapping[str, Any]) -> Iterator[str]:
    for line in table.get("env") or []:
        key, _, value = str(line).partition("=")
        if is_option_variable(key) and not is_secret(key):
            yield from words_of(key, value)


def _without_env(words: list[str]) -> tuple[list[str], list[str]]:
    """A command without `env NAME=VALUE …` before it, and those."""
    if not words or PurePosixPath(words[0]).name != "env":
        return words, []
    added = list(takewhile(lambda word: "=" in word, words[1:]))
    return words[1 + len(added) :], added


def _environment(name: str, table: Mapping[str, Any], keys: dict[str, Any]) -> Iterator[Diagnostic]:
    for line in table.get("env") or []:
        key, _, text = str(line).partition("=")
        value: str | dict[str, str] = text
        if is_option_variable(key):
            if is_secret(key):
                yield fault(
                    "secret-in-clear",
                    f"`{key}` of `{name}` is the key of a llama-server",
                    f'`api_key = {{ env = "{key}" }}` in [services]',
                )
            continue
        if found := _ENV.fullmatch(text):
            value = {"env": found[1]}
        elif is_secret(key):
            yield fault(
                "secret-in-clear",
                f"`{key}` of `{name}` holds a secret in clear text",
                f'`environment = {{ {key} = {{ env = "{key}" }} }}`',
            )
            value = {"env": key}
        keys.setdefault("environment", {})[key] = value


def _peer(name: str, table: Mapping[str, Any]) -> Part:
    """One [external] table for each model of another server."""
    own: dict[str, Any] = {
        "endpoint": str(table.get("proxy", "")).removesuffix("/").removesuffix("/v1")
    }
    faults = []
    if key := str(table.get("apiKey") or ""):
        found = _ENV.fullmatch(key)
        variable = found[1] if found else re.sub(r"\W", "_", f"{name}_KEY").upper()
        own["api_key"] = {"env": variable}
        if not found:
            faults.append(
                fault(
                    "secret-in-clear",
                    f"`apiKey` of the peer `{name}` stands in clear text",
                    f'`api_key = {{ env = "{variable}" }}` in [external]',
                )
            )
    models = [str(model) for model in table.get("models") or []]
    return Part({("external", model): own for model in models}, tuple(faults))


def _settings(document: Mapping[str, Any]) -> Part:
    swap = {to: document[key] for key, to in _SETTINGS.items() if key in document}
    tables: dict[TablePath, dict[str, Any]] = {}
    if swap:
        tables["services", "llama_swap"] = swap
    if document.get("globalTTL"):
        tables["defaults",] = {"ttl": document["globalTTL"]}
    faults = []
    for index, key in enumerate(document.get("apiKeys") or []):
        known = _ENV.fullmatch(str(key))
        if not known:
            faults.append(
                fault(
                    "secret-in-clear",
                    f"`apiKeys[{index}]` holds a key in clear text",
                    '`api_keys = [{ env = "LLAMA_SWAP_KEY" }]` in [services.llama_swap]',
                )
            )
        named = "LLAMA_SWAP_KEY" if not index else f"LLAMA_SWAP_KEY_{index}"
        reference = {"env": known[1] if known else named}
        tables.setdefault(("services", "llama_swap"), {}).setdefault("api_keys", []).append(
            reference
        )
    return Part(tables, tuple(faults))


def _keys(document: Mapping[str, Any]) -> Iterator[Diagnostic]:
    for key in document:
        if key not in KNOWN:
            hint = "`-listen` is an option of the command line" if key == "listen" else ""
            yield fault("unknown-key", f"llama-swap ignores the key `{key}` without a word", hint)
        elif key in ("groups", "matrix"):
            yield lost(f"`{key}`", "what may be loaded together is derived from memory")
        elif key not in _READ:
            yield lost(f"`{key}`", "llm.toml has no key for it")


def _groups(document: Mapping[str, Any], models: set[str], names: set[str]) -> Iterator[Diagnostic]:
    for name, found in (document.get("groups") or {}).items():
        group = found or {}
        members = [str(member) for member in group.get("members", [])]
        if "exclusive" not in group and not group.get("persistent"):
            yield fault(
                "group-exclusive",
                f"group `{name}` says neither `exclusive: false` nor `persistent: true`: a request "
                f"for {' or '.join(f'`{member}`' for member in members)} unloads every other group",
                "llmgen derives what may be loaded together from memory",
            )
        for member in members:
            if models and member not in models:
                who = "an alias" if member in names else "no model"
                yield fault(
                    "group-member",
                    f"group `{name}` names `{member}`, which is {who}",
                    "members are the models' own names",
                )


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key) or {}
    if not isinstance(found, dict):
        raise TypeError(f"`{key}` is no table")
    return found


def _expanded(text: str, macros: Mapping[str, str]) -> str:
    """The text with its macros, and theirs; ValueError where they make too much of it."""
    for _ in range(len(macros) + 1):
        coming = sum(len(macros.get(match[1], "")) for match in _MACRO.finditer(text))
        if not coming:
            break
        if coming + len(text) > _LONGEST_COMMAND:
            raise ValueError(f"macros make a text of more than {_LONGEST_COMMAND} characters")
        text = _MACRO.sub(lambda match: macros.get(match[1], match[0]), text)
    return text


def _lines(command: str) -> str:
    """As llama-swap reads it: comment lines go, a backslash at the end of a line is a space."""
    kept = [line for line in command.splitlines() if not line.lstrip().startswith("#")]
    return " ".join(line.removesuffix("\\") for line in kept)

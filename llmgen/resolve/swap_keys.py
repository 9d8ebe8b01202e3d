"""llama-swap's own keys: which pass through llmgen as they are, and what may stand in them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from llmgen.errors import KeyPath

KeyLevel: TypeAlias = Literal["file", "model", "peer"]
# What llmgen writes by itself, and the key of llm.toml that changes it.
TYPED: Final[Mapping[KeyLevel, Mapping[str, str]]] = MappingProxyType(
    {
        "file": {
            "apiKeys": "`api_keys` in [services.llama_swap]",
            "captureBuffer": "`capture_buffer` in [services.llama_swap]",
            "globalTTL": "`ttl` in [defaults]",
            "groups": "`together` and `never_together` in [plan]",
            "healthCheckTimeout": "`health_check_timeout` in [services.llama_swap]",
            "hooks": "`preload` in [models.NAME]",
            "includeAliasesInList": "`include_aliases_in_list` in [services.llama_swap]",
            "logLevel": "`log_level` in [services.llama_swap]",
            "logToStdout": "`log_to_stdout` in [services.llama_swap]",
            "macros": "the text itself: llm.toml has no macros",
            "matrix": "`together` and `never_together` in [plan]",
            "metricsMaxInMemory": "`metrics_max_in_memory` in [services.llama_swap]",
            "models": "[models.NAME]",
            "peers": "[external.NAME]",
            "routing": "`together` in [plan], and `priority` in [models.NAME]",
            "sendLoadingState": "`send_loading_state` in [services.llama_swap]",
            "startPort": "`start_port` in [services.llama_swap]",
            "unloadTimeout": "`unload_timeout` in [services.llama_swap]",
        },
        "model": {
            "aliases": "`aliases`",
            "cmd": "the keys of llama-server's options",
            "concurrencyLimit": "`concurrency_limit`",
            "description": "`description`",
            "env": "`environment`",
            "macros": "the text itself: llm.toml has no macros",
            "name": "`title`",
            "proxy": "`port`",
            "ttl": "`ttl`",
            "unlisted": "`unlisted`",
        },
        "peer": {
            "apiKey": "`api_key`",
            "models": "`upstream_model`",
            "proxy": "`endpoint`",
        },
    }
)
# The first version that reads a key, where the oldest one that llmgen knows does not; with the
# older one it would be ignored without a word.
SINCE: Final[Mapping[str, int]] = MappingProxyType(
    {
        "capabilities": 225,
        "compat": 249,
        "performance": 212,
        "profiles": 241,
        "selectors": 241,
        "store": 236,
        "unloadTimeout": 240,
        "upstream": 229,
    }
)
_TYPES: Final = {
    "array": "a list",
    "boolean": "`true` or `false`",
    "integer": "a whole number",
    "null": "nothing",
    "number": "a number",
    "object": "a table",
    "string": "text in quotes",
}
# Whose text may be as long as its writer likes.
_LONGEST: Final = 80


class KeyRefusal(Struct, frozen=True):
    """A key that llama-swap would not take, or not from here: where, what, what to do."""

    path: KeyPath
    sentence: str
    hint: str


def refusals(table: Mapping[str, Any], level: KeyLevel, version: int) -> Iterator[KeyRefusal]:
    """What is wrong with keys that are to pass through to llama-swap of this version."""
    known = _properties(level)
    for key, value in table.items():
        if key in TYPED[level]:
            yield KeyRefusal((key,), f"llmgen writes `{key}` itself", TYPED[level][key])
        elif key not in known:
            yield KeyRefusal((key,), f"llama-swap has no key `{key}`", _nearest(key, known, level))
        elif version < SINCE.get(key, 0):
            yield KeyRefusal(
                (key,),
                f"`{key}` is read since version {SINCE[key]} of llama-swap, and {version} is "
                "aimed at",
                f"`version = {SINCE[key]}` in [targets.llama_swap], or leave it out",
            )
        else:
            yield from _shape(key, value, level)


def passes(key: str, level: KeyLevel) -> bool:
    """Whether llama-swap has this key, and llmgen does not write it by itself."""
    return key in _properties(level) and key not in TYPED[level]


def _shape(key: str, value: object, level: KeyLevel) -> Iterator[KeyRefusal]:
    """What the JSON Schema says about one value."""
    # Formats are not asked about; where the package of one is there, jsonschema would compile its
    # grammar all the same, which takes a second.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None: not to be had
    from jsonschema import Draft7Validator  # noqa: PLC0415 - a tenth of a second, for few files

    # Its own `$schema` address is not one that jsonschema knows, so the draft is named here.
    wanted = {"definitions": _schema()["definitions"], **_properties(level)[key]}
    for error in Draft7Validator(wanted).iter_errors(value):
        path = (key, *error.absolute_path)
        spelled = ".".join(str(part) for part in path)
        yield KeyRefusal(
            path,
            f"`{spelled}` {_sentence(error.validator, error.validator_value, error)}",
            "llama-swap's config-schema.json says what each of its keys takes",
        )


def _sentence(rule: str, wanted: Any, error: Any) -> str:  # noqa: ANN401 - any part of a schema
    match rule:
        case "type":
            return f"has to be {_TYPES.get(wanted, wanted)}"
        case "enum":
            return f"is one of {', '.join(json.dumps(item) for item in wanted)}"
        case "required":
            return f"lacks {' or '.join(f'`{key}`' for key in wanted if key not in error.instance)}"
        case "additionalProperties":
            known = error.schema.get("properties", {})
            return f"has no {' and no '.join(f'`{k}`' for k in error.instance if k not in known)}"
        case "minimum":
            return f"has to be at least {wanted}"
        case "minItems" | "minLength" | "minProperties":
            return "is empty"
        case "pattern":
            return f"does not match `{wanted}`"
        case _:
            return f"is not what llama-swap takes: {error.message[:_LONGEST]}"


def _nearest(key: str, known: Mapping[str, Any], level: KeyLevel) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only for mistakes

    free = sorted(name for name in known if name not in TYPED[level])
    near = get_close_matches(key, free, 1)
    return f"did you mean `{near[0]}`?" if near else f"its keys are {', '.join(free)}"


def _properties(level: KeyLevel) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = _schema()["properties"]
    if level == "file":
        return properties
    table = properties["models" if level == "model" else "peers"]
    found: Mapping[str, Any] = table["additionalProperties"]["properties"]
    return found


@cache
def _schema() -> Mapping[str, Any]:
    text = resources.files("llmgen").joinpath("data/llama-swap.schema.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found

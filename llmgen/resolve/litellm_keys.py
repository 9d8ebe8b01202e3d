"""Keys that pass through to LiteLLM: what llmgen writes itself, and secrets that stand in clear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmgen.config.config import Config
from llmgen.config.tables.base import SECRET_NAME
from llmgen.errors import Diagnostic, KeyPath

EXTRA_KEY: Final[KeyPath] = ("gateway", "litellm", "extra")
# How LiteLLM is told that a value is in a variable.
REFERENCE: Final = "os.environ/"
_KEY = '`master_key = { env = "NAME" }` in [gateway.litellm]'
# What llmgen writes by itself, and the key of llm.toml that changes it.
TYPED: Final[Mapping[tuple[str, str], str]] = {
    ("general_settings", "master_key"): _KEY,
    ("litellm_settings", "fallbacks"): "`fallbacks` in [models.NAME] or [external.NAME]",
    ("litellm_settings", "max_budget"): "`max_budget` in [gateway.litellm]",
    ("litellm_settings", "request_timeout"): "`request_timeout` in [gateway.litellm]",
}
OF_A_ROW: Final[Mapping[str, str]] = {
    "api_base": "`endpoint`",
    "api_key": "`api_key`",
    "model": "`upstream_model`",
}


def findings(config: Config) -> Iterator[Diagnostic]:
    """What is wrong in `[gateway.litellm] extra` and `[external.NAME] litellm`."""
    extra = config.gateway.litellm.extra
    for section, table in extra.items():
        key = (*EXTRA_KEY, section)
        wanted, what = (list, "a list") if section == "model_list" else (dict, "a table")
        if section in _SECTIONS and not isinstance(table, wanted):
            sentence = f"`{section}` of LiteLLM has to be {what}"
            yield Diagnostic("litellm.extra", sentence, key, hint=_SECTIONS[section])
            continue
        for inner in table if isinstance(table, dict) else ():
            if (section, inner) in TYPED:
                yield _typed((*key, inner), inner, TYPED[section, inner])
    yield from _rows(extra.get("model_list"))
    yield from _secrets(EXTRA_KEY, extra)
    for name, external in config.external.items():
        # An empty table has no keys to judge, and of many machines each knows hundreds of these.
        if not external.litellm:
            continue
        key = ("external", name, "litellm")
        for inner in external.litellm:
            if inner in OF_A_ROW:
                yield _typed((*key, inner), inner, f"{OF_A_ROW[inner]} in [external.{name}]")
        info = external.litellm.get("model_info", {})
        if not isinstance(info, dict):
            what = "`model_info` of LiteLLM has to be a table"
            yield Diagnostic("litellm.extra", what, (*key, "model_info"), hint="`{ mode = … }`")
        yield from _secrets(key, external.litellm)


_SECTIONS: Final = {
    "general_settings": "`general_settings = { … }`",
    "litellm_settings": "`litellm_settings = { … }`",
    "model_list": "`model_list = [{ model_name = …, litellm_params = { model = … } }]`",
    "router_settings": "`router_settings = { … }`",
}


def _typed(key: KeyPath, name: str, hint: str) -> Diagnostic:
    return Diagnostic("litellm.extra", f"llmgen writes `{name}` itself", key, hint=hint)


def _rows(rows: object) -> Iterator[Diagnostic]:
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        params = row.get("litellm_params") if isinstance(row, dict) else None
        named = isinstance(row, dict) and isinstance(row.get("model_name"), str)
        if not named or not isinstance(params, dict) or not isinstance(params.get("model"), str):
            yield Diagnostic(
                "litellm.extra",
                "a row of LiteLLM's `model_list` lacks its name or its model",
                (*EXTRA_KEY, "model_list", index),
                hint=_SECTIONS["model_list"],
            )


def _secrets(key: KeyPath, value: Any) -> Iterator[Diagnostic]:  # noqa: ANN401 - any TOML value
    for path in clear(value):
        yield Diagnostic(
            "litellm.secret-in-clear",
            f"`{path[-1]}` looks like a secret, and would stand in a generated file",
            (*key, *path),
            hint=f'`{path[-1]} = "{REFERENCE}{str(path[-1]).upper()}"`',
        )


def clear(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Where a secret stands in clear text."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from clear(inner, (*path, name))
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from clear(inner, (*path, index))
        case str() if path and value and not value.startswith(REFERENCE):
            if SECRET_NAME.search(str(path[-1])) or "@" in value.partition("://")[2]:
                yield path
        case _:
            return

"""LiteLLM's config.yaml as [external] models, aliases, fallbacks; the rest passes through."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct, field

from llmgen.importing.litellm_row import ExternalRow, external
from llmgen.importing.llama_swap.plain_keys import without_nothing
from llmgen.importing.parts import Item, Key, Part, fault, lost, part_of
from llmgen.resolve.litellm_keys import REFERENCE, clear
from llmgen.targets.litellm_settings import GENERAL, OWN, ROUTER, SETTINGS, listed

_ENV = re.compile(rf"{re.escape(REFERENCE)}([A-Za-z_]\w*)")
_PLACE: Final = ("gateway", "litellm")
_FALLBACKS: Final = ("fallbacks", "context_window_fallbacks")


def is_litellm(document: object) -> bool:
    """Whether a YAML document is for LiteLLM's proxy."""
    return isinstance(document, dict) and "model_list" in document


def from_litellm(document: Mapping[str, Any]) -> Part:
    """One [external] table for each back end; further names for it become aliases."""
    return part_of(_items(document))


class _Rows(Struct):
    """Names that became [external], and those of rows that pass through."""

    external: dict[str, ExternalRow] = field(default_factory=dict)
    passed: list[str] = field(default_factory=list)
    # Further name to the one of [external].
    aliases: dict[str, str] = field(default_factory=dict)


def _items(document: Mapping[str, Any]) -> Iterator[Item]:
    yield Key(_PLACE, ("enable",), value=True)
    rows = _Rows()
    usual = (document.get(SETTINGS) or {}).get("request_timeout")
    yield from _model_list(document["model_list"] or [], rows, usual)
    for section, value in document.items():
        if section == "model_list" or value is None:
            continue
        if section in OWN and isinstance(value, dict):
            yield from _section(section, value, rows, usual)
        else:
            yield from _passed((section,), value)


def _model_list(found: list[Any], rows: _Rows, timeout: object) -> Iterator[Item]:
    seen: set[str] = set()
    more: list[Any] = []
    for row in found:
        name = str(row.get("model_name") or "")
        params = row.get("litellm_params") or {}
        if name in seen:
            yield fault(
                "row-twice",
                f"`{name}` has two rows: LiteLLM balances its requests between them",
                "one row for each name, or `replicas` when that is meant",
            )
        model = external(name, row, params, timeout)
        yield from _secrets(name, params)
        for key in row:
            if key not in ("model_name", "litellm_params", "model_info"):
                yield lost(f"`{key}` in the row of `{name}`", "LiteLLM does not read it")
        if isinstance(model, str):
            yield lost(f"the row of `{name}`", f"{model}; it passes through in `extra`")
            more.append(row)
            rows.passed.append(name)
            continue
        yield from (fault(*told) for told in model.faults)
        owner = next((key for key, other in rows.external.items() if other.same(model)), None)
        if owner is None and name not in seen:
            rows.external[name] = model
            for key, value in model.keys.items():
                yield from _row_key(name, key, value)
        elif owner not in (None, name) and name not in seen:
            rows.aliases[name] = str(owner)
            yield Key(("external", str(owner)), ("aliases",), [name])
        elif owner != name:
            more.append(row)
        seen.add(name)
    if more:
        yield from _passed(("model_list",), more)


def _row_key(name: str, key: str, value: Any) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    place = ("external", name)
    if key != "litellm":
        yield Key(place, (key,), value)
        return
    value = without_nothing(value)
    for path in clear(value):
        yield _in_clear(f"{path[-1]} of {name}")
    kept = referenced(value)
    if kept:
        yield Key(place, ("litellm",), kept)


def _secrets(name: str, params: Mapping[str, Any]) -> Iterator[Item]:
    user = re.match(r"https?://[^/@]+@", str(params.get("api_base", "")))
    key = str(params.get("api_key") or "")
    # Local servers are given any word as a key; that is no secret.
    if key and not key.startswith(REFERENCE) and len(key) > 8:
        yield _in_clear(f"api_key of {name}")
    if user:
        yield _in_clear(f"api_base of {name}")


def _in_clear(what: str) -> Item:
    return fault(
        "secret-in-clear",
        f"`{what}` stands in clear text",
        '`master_key = { env = "LITELLM_MASTER_KEY" }` in [gateway.litellm]'
        if what == "general_settings.master_key"
        else "a reference instead: `os.environ/NAME`",
    )


def _section(
    section: str, table: Mapping[str, Any], rows: _Rows, timeout: object
) -> Iterator[Item]:
    for key, value in table.items():
        if value is None or OWN[section].get(key) == value:
            # llmgen writes the same.
            continue
        if key == "model_group_alias" and isinstance(value, dict):
            yield from _aliases(value, rows)
        elif key in _FALLBACKS and section in (ROUTER, SETTINGS):
            yield from _fallbacks(key, listed(value), rows)
        elif (section, key) in _OURS:
            yield from _ours(section, key, value)
        elif not _is_usual(section, key, value, table, timeout):
            yield from _passed((section, key), value)


_OURS: Final = {
    (GENERAL, "master_key"): "master_key",
    (SETTINGS, "request_timeout"): "request_timeout",
    (SETTINGS, "max_budget"): "max_budget",
    (SETTINGS, "callbacks"): "prometheus",
}


def _ours(section: str, key: str, value: Any) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    what = f"{section}.{key}"
    if key == "master_key":
        if known := _ENV.fullmatch(str(value)):
            yield Key(_PLACE, ("master_key",), {"env": known[1]})
        else:
            yield _in_clear(what)
            yield Key(_PLACE, ("master_key",), {"env": "LITELLM_MASTER_KEY"})
    elif key == "request_timeout" and _is_count(value):
        yield Key(_PLACE, (key,), value)
    elif key == "max_budget" and isinstance(value, int | float) and value > 0:
        yield Key(_PLACE, (key,), float(value))
    elif key == "callbacks":
        others = [item for item in listed(value) if item != "prometheus"]
        if len(others) < len(listed(value)):
            yield Key(_PLACE, ("prometheus",), value=True)
        if others:
            yield from _passed((section, key), others)
    else:
        yield lost(f"`{what}`", f"`{value}` is nothing that llmgen can write there")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_usual(
    section: str, key: str, value: object, table: Mapping[str, Any], timeout: object
) -> bool:
    """Whether llmgen computes the same from what stands elsewhere."""
    if section != ROUTER:
        return False
    match key:
        case "routing_strategy":
            return value == "simple-shuffle"
        case "enable_pre_call_checks":
            return value is bool(table.get("context_window_fallbacks"))
        case "timeout" | "stream_timeout":
            return value == timeout
        case _:
            return False


def _aliases(found: Mapping[str, Any], rows: _Rows) -> Iterator[Item]:
    for alias, target in found.items():
        # `{ model = NAME, hidden = true }` is the other way to write it.
        name = str(target.get("model") if isinstance(target, dict) else target)
        owner = name if name in rows.external else rows.aliases.get(name)
        if isinstance(target, dict) and target.get("hidden"):
            yield lost(f"`hidden` of the alias `{alias}`", "aliases of llm.toml are listed")
        if owner:
            yield Key(("external", owner), ("aliases",), [str(alias)])
        elif name in rows.passed:
            yield from _passed((ROUTER, "model_group_alias", str(alias)), name)
        else:
            # A model of another file that is imported with this one, or none.
            yield Key(("models", name), ("aliases",), [str(alias)])


def _fallbacks(key: str, found: list[Any], rows: _Rows) -> Iterator[Item]:
    for row in found:
        for name, others in row.items() if isinstance(row, dict) else ():
            owner = name if name in rows.external else rows.aliases.get(str(name))
            if owner:
                yield Key(("external", owner), (key,), [str(item) for item in listed(others)])
            elif name in rows.passed:
                yield from _passed((ROUTER, key), [{str(name): others}])
            else:
                yield Key(("models", str(name)), (key,), [str(item) for item in listed(others)])


def _passed(path: tuple[str, ...], value: Any) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    """A key that llmgen has no word for, as it is; its secrets by reference."""
    value = without_nothing(value)
    for where in clear(value, path):
        yield _in_clear(".".join(str(part) for part in where))
    yield Key(_PLACE, ("extra", *path), referenced(value, path))


def referenced(value: Any, path: tuple[Any, ...] = ()) -> Any:  # noqa: ANN401 - any YAML value
    """The value with a variable's name where a secret stands."""
    match value:
        case dict():
            return {key: referenced(inner, (*path, key)) for key, inner in value.items()}
        case list():
            return [referenced(inner, (*path, index)) for index, inner in enumerate(value)]
        case str() if path and next(iter(clear(value, path)), None) is not None:
            return REFERENCE + re.sub(r"\W", "_", str(path[-1])).upper()
        case _:
            return value

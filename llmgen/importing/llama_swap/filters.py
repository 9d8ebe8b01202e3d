"""`filters` of a model: variants, and what is taken from or put into every request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmgen.importing.llama_swap.plain_keys import passed, without_nothing
from llmgen.importing.parts import Item, Key, fault, lost

# The older spelling, which llama-swap still reads.
_OLDER: Final = {"strip_params": "stripParams"}
_KEYS: Final = ("stripParams", "setParams")


def filters(name: str, value: Any) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    """Parameters by name are variants; all others pass through."""
    if not isinstance(value, dict):
        raise TypeError(f"`filters` of `{name}` is no table")
    for key, inner in value.items():
        now = _OLDER.get(key, key)
        what = f"`filters.{key}` of `{name}`"
        if inner is None or (key in _OLDER and value.get(now)):
            if inner:
                yield lost(what, f"`{now}` stands beside it, and wins")
        elif now in _KEYS:
            own = ", ".join(map(str, inner)) if isinstance(inner, list) else inner
            yield from passed(("models", name), "llama_swap", what, "filters", {now: own})
        elif now == "setParamsByID":
            yield from _by_id(name, inner)
        else:
            yield fault("unknown-key", f"llama-swap ignores the key {what} without a word")


def _by_id(name: str, value: Any) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    if not isinstance(value, dict):
        raise TypeError(f"`setParamsByID` of `{name}` is no table")
    for called, params in value.items():
        what = f"`filters.setParamsByID.{called}` of `{name}`"
        if not isinstance(params, Mapping):
            yield lost(what, "it is no table")
            continue
        kept = without_nothing({key: item for key, item in params.items() if key != "model"})
        if len(kept) < len(params):
            yield lost(f"`model` in {what}", "llama-swap does not set it")
        if called == name:
            own = {"setParamsByID": {name: kept}}
            yield from passed(("models", name), "llama_swap", what, "filters", own)
        else:
            yield Key(("models", name), ("variants", called, "params"), kept)

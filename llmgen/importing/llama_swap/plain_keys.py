"""Keys of llama-swap that come over as they are, when llama-swap itself would take them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmgen.config.editions import EDITIONS
from llmgen.config.variables import TablePath
from llmgen.importing.parts import Item, Key, lost
from llmgen.resolve.swap_keys import KeyLevel
from llmgen.resolve.swap_passthrough import problems


def passed(
    table: TablePath,
    to: str,
    what: str,
    key: str,
    value: Any,  # noqa: ANN401 - any YAML value
) -> Iterator[Item]:
    """The key below ``to`` of an own table, or why it cannot be there."""
    levels: dict[str, KeyLevel] = {"models": "model", "external": "peer"}
    level = levels.get(table[0], "file")
    value = without_nothing(value)
    version = EDITIONS[max(EDITIONS)].swap_version
    found = next(iter(problems((), {key: value}, level, version)), None)
    if found is not None:
        yield lost(what, found.message)
    else:
        yield Key(table, (to, key), value)


def without_nothing(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    """TOML has no null: a key without a value says nothing, and a pin without one is empty."""
    match value:
        case dict():
            return {str(key): without_nothing(item) for key, item in value.items()}
        case list():
            return [without_nothing(item) for item in value]
        case None:
            return ""
        case _:
            return value

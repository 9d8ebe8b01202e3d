"""A document as the text of an llm.toml, each table under its own header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmgen.config.edit import key_text, value_text

# Tables of this many names and more stand under a header; what is deeper is written inline.
_DEEPEST = 3


def text(document: Mapping[str, Any]) -> str:
    """The document as TOML: the same when it is read, whatever the order of its tables was."""
    return "\n".join(_tables(document, ()))


def _tables(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    inner = {key: item for key, item in table.items() if _is_table(item, path)}
    plain = {key: item for key, item in table.items() if key not in inner}
    if plain or (path and not inner):
        header = f"[{'.'.join(map(key_text, path))}]\n" if path else ""
        yield header + "".join(
            f"{key_text(key)} = {value_text(item)}\n" for key, item in plain.items()
        )
    for key, item in inner.items():
        yield from _tables(item, (*path, key))


def _is_table(item: object, path: tuple[str, ...]) -> bool:
    return isinstance(item, Mapping) and len(path) < _DEEPEST

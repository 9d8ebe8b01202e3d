"""A document as the text of an llm.toml, each table under its own header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from llmgen.config.edit import key_text, value_text

# Tables of this many names and more stand under a header; what is deeper is written inline.
_DEEPEST = 3
# Tables that documents of several hosts share have so many names.
_SHARED = 2


class Texts(Struct, frozen=True):
    """Documents as TOML; a table that several of them share is written once."""

    # The table itself is kept beside its text: so no other one gets its id.
    known: dict[tuple[int, tuple[str, ...]], tuple[object, str]] = field(default_factory=dict)

    def text(self, document: Mapping[str, Any]) -> str:
        """The document as TOML: the same when it is read, whatever the order of its tables was."""
        return "\n".join(self._tables(document, ()))

    def _tables(self, table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
        if len(path) == _SHARED:
            key = id(table), path
            if key not in self.known:
                self.known[key] = table, "\n".join(self._inner(table, path))
            yield self.known[key][1]
        else:
            yield from self._inner(table, path)

    def _inner(self, table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
        inner = {key: item for key, item in table.items() if _is_table(item, path)}
        plain = {key: item for key, item in table.items() if key not in inner}
        if plain or (path and not inner):
            header = f"[{'.'.join(map(key_text, path))}]\n" if path else ""
            yield header + "".join(
                f"{key_text(key)} = {value_text(item)}\n" for key, item in plain.items()
            )
        for key, item in inner.items():
            yield from self._tables(item, (*path, key))


def text(document: Mapping[str, Any]) -> str:
    """One document as TOML."""
    return Texts().text(document)


def _is_table(item: object, path: tuple[str, ...]) -> bool:
    return isinstance(item, Mapping) and len(path) < _DEEPEST

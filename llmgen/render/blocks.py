"""Objects as YAML documents in block style: what people and `kubectl diff` read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from llmgen.render.quoting import yaml

# Text that every reader takes as it stands after a `|`: no tabs, no space at an end, nothing odd.
# The first line tells how far all are indented.
_LITERAL: Final = re.compile(
    r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?(?:\n(?:[\x20-\x7e]*[\x21-\x7e])?)*\n"
)
_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
# Bare words that YAML 1.1 reads as something else.
_OTHERS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def blocks(value: Mapping[str, object]) -> str:
    """One document, its keys in the order that they are given."""
    return "\n".join(_mapping(value)) + "\n"


def _mapping(value: Mapping[str, object]) -> Iterator[str]:
    for key, item in value.items():
        yield from _entry(f"{_scalar(key)}:", item)


def _entry(head: str, item: object) -> Iterator[str]:
    match item:
        case Mapping() if item:
            yield head
            yield from (f"  {line}" if line else "" for line in _mapping(item))
        case str() if "\n" in item and _LITERAL.fullmatch(item):
            # A last line of nothing is kept only by `+`.
            yield f"{head} |+" if item.endswith("\n\n") else f"{head} |"
            yield from (f"  {line}" if line else "" for line in item[:-1].split("\n"))
        case str():
            yield f"{head} {_scalar(item)}"
        case Sequence() if item:
            yield head
            yield from _items(item)
        case _:
            yield f"{head} {yaml(item)}"


def _items(items: Sequence[object]) -> Iterator[str]:
    for item in items:
        if isinstance(item, Mapping) and item:
            first, *rest = _mapping(item)
            yield f"- {first}"
            yield from (f"  {line}" if line else "" for line in rest)
        elif isinstance(item, Sequence) and item and not isinstance(item, str):
            yield "-"
            yield from (f"  {line}" if line else "" for line in _items(item))
        else:
            yield from _entry("-", item)


def _scalar(text: str) -> str:
    bare = _BARE.fullmatch(text) and text.lower() not in _OTHERS
    return text if bare else yaml(text)

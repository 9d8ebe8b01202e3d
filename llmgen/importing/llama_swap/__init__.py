"""llama-swap's config.yaml as an llm.toml: each key becomes ours, passes through, or is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmgen.importing.llama_swap.entries import models
from llmgen.importing.llama_swap.macros import Macros, expanded, macros_of
from llmgen.importing.llama_swap.settings import settings
from llmgen.importing.model import Item, Part, fault, part_of
from llmgen.importing.yaml_text import Document

__all__ = ["from_llama_swap", "is_llama_swap", "not_served"]

_MARKS = frozenset(
    {"groups", "matrix", "apiKeys", "hooks", "macros", "peers", "healthCheckTimeout"}
)


def is_llama_swap(document: object) -> bool:
    """Whether a YAML document is for llama-swap."""
    if not isinstance(document, dict):
        return False
    models = document.get("models")
    commands = isinstance(models, dict) and any(
        isinstance(item, dict) and "cmd" in item and "sampler_args" not in item
        for item in models.values()
    )
    return commands or bool(_MARKS & set(document))


def from_llama_swap(document: Document, lines: list[str]) -> Part:
    """Models, wishes, keys and settings of one document; ``lines`` are those of its text."""
    value: Mapping[str, Any] = document.value
    macros = macros_of(value.get("macros"), {})
    return part_of(_items(value, macros, document, lines))


def not_served(part: Part) -> Part:
    """A document after the first, of which llama-swap reads nothing: its models are off."""
    tables = {
        path: {**keys, "enable": False} for path, keys in part.tables.items() if path[0] == "models"
    }
    told = fault(
        "second-document",
        "llama-swap reads the first document of a file alone",
        "models of the others are imported with `enable = false`, and nothing else of them",
    )
    return Part(tables, (told, *part.faults))


def _items(
    value: Mapping[str, Any], macros: Macros, document: Document, lines: list[str]
) -> Iterator[Item]:
    for key in document.twice:
        yield fault(
            "key-twice",
            f"`{key}` stands twice in one table: llama-swap does not start with it",
            "only the last one is imported",
        )
    rest = {
        key: expanded(inner, macros)
        for key, inner in value.items()
        if key not in ("models", "macros")
    }
    entries = _named(value.get("models"))
    yield from models(entries, rest, macros, document, lines)
    yield from settings(rest, entries)


def _named(found: object) -> dict[str, Any]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise TypeError("`models` is no table")
    return {str(name): table for name, table in found.items()}

"""llama-swap's config.yaml as an llm.toml: each key becomes ours, passes through, or is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmgen.config.edit import key_text
from llmgen.importing.llama_swap.entries import models
from llmgen.importing.llama_swap.macros import Macros, expanded, macros_of
from llmgen.importing.llama_swap.settings import settings
from llmgen.importing.parts import Item, Key, Part, fault, lost, part_of
from llmgen.importing.yaml_text import YamlDocument

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


def from_llama_swap(document: YamlDocument, lines: list[str]) -> Part:
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
    value: Mapping[str, Any], macros: Macros, document: YamlDocument, lines: list[str]
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
    yield from _unused(value)
    entries = _named(value.get("models"))
    found = [*models(entries, rest, macros, document, lines), *settings(rest, entries)]
    yield from found
    yield from _memory(found)


def _unused(value: Mapping[str, Any]) -> Iterator[Item]:
    """Macros that nothing uses, which llama-swap takes without a word."""
    text = str(value)
    scopes = {"macros": value.get("macros")}
    for name, table in (value.get("models") or {}).items():
        if isinstance(table, dict):
            scopes[f"models.{name}.macros"] = table.get("macros")
    for scope, table in scopes.items():
        for name in table if isinstance(table, dict) else ():
            if f"${{{name}}}" not in text:
                yield lost(f"`{scope}.{name}`", "nothing uses it")


def _memory(found: list[Item]) -> Iterator[Item]:
    """What programs take that llmgen does not model: all, where the file loads them alone."""
    keys = [item for item in found if isinstance(item, Key)]
    groups = [group for key in keys if key.path == ("wish_together",) for group in key.value]
    met = {name for group in groups for name in group}
    met |= {key.table[-1] for key in keys if key.path == ("pin",)}
    for name in [key.table[-1] for key in keys if key.path == ("engine",)]:
        hint = f'`memory = {{ gpu0 = "8GiB", host = "2GiB" }}` in [models.{key_text(name)}]'
        if name in met:
            yield fault(
                "no-memory",
                f"nobody says how much memory `{name}` takes, and it may be loaded beside others",
                f"write what it takes: {hint}",
            )
        else:
            yield fault(
                "alone",
                f"nobody says how much memory `{name}` takes: it is loaded alone, as it was",
                f"{hint} lets it be beside others",
            )
            yield Key(("models", name), ("memory",), "all")


def _named(found: object) -> dict[str, Any]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise TypeError("`models` is no table")
    return {str(name): table for name, table in found.items()}

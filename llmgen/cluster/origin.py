"""Where a key of a pod's document is written in the whole llm.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from llmgen.errors import Diagnostic, KeyPath
from llmgen.fleet.origin import is_written


def told_of(item: Diagnostic, pool: str, document: Mapping[str, Any]) -> Diagnostic:
    """The diagnostic of a pool's pods, with the pool's name and the key as it is written."""
    message = item.message if f"`{pool}`" in item.message else f"on `{pool}`: {item.message}"
    return replace(item, message=message, key=origin(item.key, pool, document))


def origin(key: KeyPath, pool: str, document: Mapping[str, Any]) -> KeyPath:
    """The key in the whole file: the pool's own where it writes it, else the common one.

    What of its hardware nobody writes is missing in the pool, where the file has any.
    """
    if not key or key[0] not in ("hardware", "models"):
        return key
    within = ("kubernetes", "pools", pool, *key)
    if is_written(document, within, least=len(within)):
        return within
    if key[0] == "models" or is_written(document, key, least=len(key)):
        return key
    return within if pool in document.get("kubernetes", {}).get("pools", {}) else key

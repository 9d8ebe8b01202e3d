"""Where a key of one host's view is written in the whole llm.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from llmgen.config.tables.hosts import LAID_OVER
from llmgen.errors import Diagnostic, KeyPath


def told_of(item: Diagnostic, host: str, document: Mapping[str, Any]) -> Diagnostic:
    """The diagnostic of one host's view, with the host's name and the key as it is written."""
    message = item.message if f"`{host}`" in item.message else f"on `{host}`: {item.message}"
    return replace(item, message=message, key=origin(item.key, host, document))


def origin(key: KeyPath, host: str, document: Mapping[str, Any]) -> KeyPath:
    """The key in the whole file: the host's own where it writes it, else the common one."""
    if not key:
        return key
    if key[0] == "external" and len(key) > 1 and key[1] in document.get("models", {}):
        return ("models", *key[1:2])
    if key[0] == "rpc":
        return _of_rpc(key, host)
    if key[0] not in (*LAID_OVER, "models"):
        return key
    within = ("hosts", host, *key)
    if is_written(document, within, least=4):
        return within
    if key[0] == "models" or is_written(document, key, least=1):
        return key
    return within


def _of_rpc(key: KeyPath, host: str) -> KeyPath:
    """What is lent, and to whom, is worked out of the lender's own table."""
    lender = str(key[2]) if key[1] == "borrow" else host
    written = "address" if key[-1] in ("address", "listen") else "rpc"
    return ("hosts", lender, written)


def is_written(document: Mapping[str, Any], key: KeyPath, least: int) -> bool:
    """Whether the file says something at this key; of a longer one its first parts will do."""
    at: Any = document
    for count, part in enumerate(key):
        try:
            at = at[part]
        except (KeyError, IndexError, TypeError):
            return count >= max(least, len(key) - 1) and not isinstance(at, Mapping)
    return True

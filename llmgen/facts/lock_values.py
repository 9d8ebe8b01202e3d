"""Values out of llm.lock's JSON, each checked; what is wrong knows its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final

from llmgen.facts.gguf_facts import HeaderValue
from llmgen.facts.layer_ranges import read_ranges

LARGEST: Final = 2**63 - 1
SHA256: Final = re.compile(r"[0-9a-f]{64}")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Wrong(Exception):
    """What is wrong with one value; the path grows while it travels up."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


def read_each(
    found: Mapping[str, Any], read: Callable[[str, Any], Any], *path: str
) -> dict[str, Any]:
    """Every value of an object, read by ``read``."""
    result = {}
    for key, value in found.items():
        try:
            result[key] = read(key, value)
        except Wrong as error:
            raise Wrong(error.message, *path, key, *error.path) from None
    return result


def read_rows(value: object, read: Callable[[object], Any], key: str) -> tuple[Any, ...]:
    """Every row of a list, read by ``read``."""
    if not isinstance(value, list):
        raise Wrong("is no list", key)
    rows: list[Any] = []
    for row in value:
        try:
            rows.append(read(row))
        except Wrong as error:
            raise Wrong(error.message, key, len(rows)) from None
    return tuple(rows)


def read_layers(ranges: str) -> tuple[int, ...]:
    """Layer numbers."""
    try:
        return read_ranges(ranges)
    except ValueError as error:
        raise Wrong(str(error)) from None


def header_value(_: str, value: object) -> HeaderValue:
    """A value of a header, or a list of them."""
    if isinstance(value, list):
        return tuple(scalar(item) for item in value)
    return scalar(value)


def scalar(value: object) -> int | float | bool | str:
    """A value that JSON and headers share."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    raise Wrong("is no value of a header")


def read_mapping(value: object, *path: str) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise Wrong("is no object", *path)
    return value


def check_keys(
    found: dict[str, Any], needed: frozenset[str], optional: frozenset[str] = frozenset()
) -> None:
    """Refuse keys that are missing or unknown."""
    for key in needed - found.keys():
        raise Wrong(f"has no `{key}`")
    for key in found.keys() - needed - optional:
        raise Wrong("is an unknown key", key)


def read_text(value: object, *path: str) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value:
        raise Wrong("is no text", *path)
    return value


def read_count(value: object, *path: str) -> int:
    """A size in bytes, or a number of things."""
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise Wrong("is no size", *path)
    return value


def read_digest(value: object, pattern: re.Pattern[str], *path: str) -> str:
    """Text that the pattern matches whole, or none."""
    if not isinstance(value, str) or (value and not pattern.fullmatch(value)):
        raise Wrong("is no digest", *path)
    return value

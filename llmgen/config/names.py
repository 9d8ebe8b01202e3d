"""What a name may be: free text made into one, and the spellings that clients use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_OTHER: Final = re.compile(r"[^A-Za-z0-9._:/-]+")
_LONGEST: Final = 120


def sane(text: str) -> str:
    """The text as a name of llm.toml; empty when nothing of it is left."""
    return _OTHER.sub("-", text).strip("-._:/")[:_LONGEST]


def small(names: Iterable[str]) -> tuple[str, ...]:
    """The names that have capitals in small letters, without those that are there already."""
    given = dict.fromkeys(names)
    return tuple(dict.fromkeys(name.lower() for name in given if name.lower() not in given))

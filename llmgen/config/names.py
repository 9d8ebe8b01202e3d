"""What a name may be: free text made into one, and the spellings that clients use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_OTHER: Final = re.compile(r"[^A-Za-z0-9._:/-]+")
_LONGEST: Final = 120
_NO_FILE: Final = re.compile(r"[^a-z0-9._-]+")
_REMEMBERED: Final = 4096


def sane(text: str) -> str:
    """The text as a name of llm.toml; empty when nothing of it is left."""
    return _OTHER.sub("-", text).strip("-._:/")[:_LONGEST]


def file_name(model: str) -> str:
    """The model's name as a part of file names: lower case, `-` for everything unusual."""
    return _NO_FILE.sub("-", model.lower())


def service_name(model: str) -> str:
    """The service of an always-on model: its unit, without ``llmgen-`` and suffix."""
    return f"model-{file_name(model)}"


def small(names: Iterable[str]) -> tuple[str, ...]:
    """The names that have capitals in small letters, without those that are there already."""
    return _small(tuple(names))


# The machines of a fleet ask for the same names.
@lru_cache(_REMEMBERED)
def _small(names: tuple[str, ...]) -> tuple[str, ...]:
    given = dict.fromkeys(names)
    return tuple(dict.fromkeys(name.lower() for name in given if name.lower() not in given))

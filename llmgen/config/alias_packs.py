"""The names that clients ask for when nobody told them better: data/alias_packs.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources


def packed(packs: Iterable[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each name of these packs with the roles that may answer to it, the likeliest first."""
    for pack in packs:
        for row in _packs()[pack]:
            yield from ((tuple(row["roles"]), name) for name in row["names"])


@cache
def _packs() -> dict[str, list[dict[str, list[str]]]]:
    text = resources.files("llmgen").joinpath("data/alias_packs.toml").read_text("utf-8")
    return tomllib.loads(text)

"""The built-in hardware profiles: data/profiles.toml as [hardware] tables."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any, Final

from llmgen.units import GIB, parse_size

_SIZED = "sizes_gib"
# What stands beside the keys of [hardware].
BESIDE: Final = frozenset({"source", "options", "toolkit"})


@cache
def profiles() -> dict[str, dict[str, Any]]:
    """Profile name to the keys of [hardware] that it fills, those of BESIDE beside them."""
    found: dict[str, dict[str, Any]] = {}
    for name, table in _tables().items():
        if _SIZED in table:
            found |= {f"{name}-{size}gb": _sized(table, size) for size in table[_SIZED]}
        else:
            found[name] = table
    return found


def profile_options(profile: str | None) -> dict[str, Any]:
    """Options of llama-server that every model of such a machine should have, by their keys."""
    found: dict[str, Any] = profiles().get(profile or "", {}).get("options", {})
    return found


def advised_load_mode(profile: str | None) -> str:
    """How weights should be read on such a machine; empty where llmgen's own way is right."""
    return str(profile_options(profile).get("load_mode", ""))


@cache
def _tables() -> dict[str, dict[str, Any]]:
    text = resources.files("llmgen").joinpath("data/profiles.toml").read_text("utf-8")
    return tomllib.loads(text)


def apple_silicon(size_gib: int) -> dict[str, Any]:
    """The keys of [hardware] for a Mac with this much memory, of a size that is sold or not."""
    return _sized(_tables()["apple-silicon"], size_gib)


def _sized(table: dict[str, Any], size_gib: int) -> dict[str, Any]:
    """A machine of a family that differs only in memory."""
    shares = [row["share"] for row in table["working_set"] if size_gib <= row["up_to_gib"]]
    device = {
        "memory": int(size_gib * GIB * (shares or [table["working_set"][-1]["share"]])[0]),
        "reserve": parse_size(table["device_reserve"]),
        "name": table["device_name"],
    }
    keys = ("os", "backend", "unified", "reserve", "disk_bandwidth", "source")
    return {key: table[key] for key in keys} | {"memory": size_gib * GIB, "devices": [device]}

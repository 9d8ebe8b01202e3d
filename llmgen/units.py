"""Sizes and durations as people write them, and bytes as people read them."""

from __future__ import annotations

import re

KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b?)\s*", re.IGNORECASE)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_DURATION = re.compile(r"\s*(\d+)\s*(s|m|min|h|d|)\s*")
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def parse_size(text: str) -> int:
    """Read ``96GiB``, ``64K``, ``512 MB`` as bytes (or tokens); ``GB`` is decimal, the rest binary.

    Raises ValueError when the text is no size or not a whole number of bytes.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is not a size")
    number, power, suffix = match[1], _POWER[match[2].lower()], match[3].lower()
    base = 1000 if suffix == "b" and power else 1024
    value = float(number) * base**power
    if value != int(value):
        raise ValueError(f"`{text}` is not a whole number of bytes")
    return int(number) * base**power if number.isdigit() else int(value)


def parse_duration(text: str) -> int:
    """Read ``30s``, ``10m``, ``2h``, ``1d`` as seconds; raises ValueError otherwise."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is not a duration")
    return int(match[1]) * _SECONDS[match[2]]


def show_size(size_bytes: int) -> str:
    """Write bytes as ``21.4 GiB`` or ``512 MiB``."""
    size, sign = abs(size_bytes), "-" if size_bytes < 0 else ""
    if size >= TIB:
        return f"{sign}{size / TIB:.2f} TiB"
    if size >= GIB:
        return f"{sign}{size / GIB:.1f} GiB"
    if size >= MIB:
        return f"{sign}{size / MIB:.0f} MiB"
    if size >= KIB:
        return f"{sign}{size / KIB:.0f} KiB"
    return f"{sign}{size} B"


def show_count(count: int) -> str:
    """Write tokens as ``64K`` where that is the whole number, else in digits."""
    return f"{count // KIB}K" if count and count % KIB == 0 else str(count)


def show_number(value: float) -> str:
    """The shortest text that is the same number, as a program's option takes it."""
    return str(int(value)) if value == int(value) else repr(value)


def show_parameters(count: int) -> str:
    """Write a number of parameters as ``30.5B`` or ``137M``, decimal as everybody counts them."""
    for mark, power in (("T", 10**12), ("B", 10**9), ("M", 10**6)):
        if count >= power:
            return (
                f"{count / power:.1f}{mark}"
                if count < power * 100
                else f"{count / power:.0f}{mark}"
            )
    return str(count)


def show_bar(used: int, whole: int, width: int = 24) -> str:
    """A bar of ``#`` for what is used of ``whole``, full when nothing is left."""
    filled = min(width, max(0, round(used / whole * width))) if whole > 0 else width
    return f"[{'#' * filled}{'.' * (width - filled)}]"

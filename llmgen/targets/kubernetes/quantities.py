"""Kubernetes' quantities: `64`, `1500m`, `119Gi`, `2e3`."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_WRITTEN: Final = re.compile(
    r"([+-]?\d{1,18}(?:\.\d{1,18})?)(?:e([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)"
)
_DECIMAL: Final = {
    "": 0,
    "n": -9,
    "u": -6,
    "m": -3,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_BINARY: Final = {
    name: 1 << 10 * power for power, name in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)
}


def number(text: str) -> Fraction:
    """The number that is written; nothing for what is none."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        return Fraction(0)
    value, exponent, suffix = Fraction(found[1]), found[2], found[3] or ""
    if exponent:
        return value * Fraction(10) ** int(exponent)
    if suffix in _BINARY:
        return value * _BINARY[suffix]
    return value * Fraction(10) ** _DECIMAL[suffix]

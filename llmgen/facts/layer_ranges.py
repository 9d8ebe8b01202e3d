"""Layer numbers as ``0-35`` or ``0,2-5``: the spelling of llm.lock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

# As many digits as the pattern of a layer's name has.
_RANGES: Final = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*", re.ASCII)


def write_ranges(layers: Sequence[int]) -> str:
    """The shortest spelling of ascending numbers."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ",".join(f"{low}-{high}" if low < high else str(low) for low, high in runs)


@lru_cache(maxsize=1024)
def read_ranges(text: str) -> tuple[int, ...]:
    """The numbers; ValueError when this is not their shortest spelling."""
    if len(text) > 10_000 or not _RANGES.fullmatch(text):
        raise ValueError(f"{text!r} is no list of layers")
    numbers: list[int] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        numbers.extend(range(int(low), int(high or low) + 1))
    if numbers != sorted(set(numbers)) or write_ranges(numbers) != text:
        raise ValueError(f"{text!r} is not in order")
    return tuple(numbers)

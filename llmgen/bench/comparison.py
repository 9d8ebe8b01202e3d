"""Two files of results side by side: what both measured, and how much faster the second is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

# Model, recipe, and what of it: prompt or answer, its tokens, depth, requests at the same time.
MeasurementKey: TypeAlias = tuple[str, str, str]


class SpeedPair(Struct, frozen=True):
    """One measurement of both files, in tokens per second; None where a file does not have it."""

    model: str
    recipe: str
    what: str
    before: float | None
    after: float | None

    @property
    def ratio(self) -> float | None:
        """The second over the first."""
        return self.after / self.before if self.before and self.after is not None else None


def compare(before: str, after: str) -> list[SpeedPair]:
    """Pairs of the newest result of each measurement; ValueError names a line that is no result."""
    first, second = newest(before), newest(after)
    return [
        SpeedPair(*key, first.get(key), second.get(key)) for key in dict.fromkeys([*first, *second])
    ]


def newest(text: str) -> dict[MeasurementKey, float]:
    """The newest result of each measurement in a file; ValueError names a line that is none."""
    found: dict[MeasurementKey, float] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            found.update(figures(row))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError(f"line {number} is no result of `llmgen bench`") from None
    return found


def figures(row: Mapping[str, Any]) -> Iterator[tuple[MeasurementKey, float]]:
    """What one line of results says, as tokens per second."""
    model, recipe = str(row["model"]), str(row["recipe"])
    if "llama_bench" in row:
        one = row["llama_bench"]
        kind = f"prompt {one['n_prompt']}" if one.get("n_prompt") else f"answer {one['n_gen']}"
        yield (model, recipe, f"{kind} at depth {one.get('n_depth', 0)}"), float(one["avg_ts"])
    elif "llama_batched_bench" in row:
        one = row["llama_batched_bench"]
        for kind, key, size in (("prompt", "speed_pp", "pp"), ("answer", "speed_tg", "tg")):
            yield (model, recipe, f"{kind} {one[size]}, {one['pl']} at a time"), float(one[key])
    else:
        count = row["connections"]
        yield (model, recipe, f"HTTP, {count} at a time"), float(row["tokens_per_second"])

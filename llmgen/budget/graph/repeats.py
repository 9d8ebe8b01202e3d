"""Layers that need not be walked again.

Where layers repeat, and an arena is the same behind two repetitions, every later one does the same
to it. So a graph is described with few of them, and replayed; where the two differ, with more.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from msgspec import Struct

_LONGEST: Final = 12


class Shortened(Struct, frozen=True):
    """``layers`` to describe, and pairs of them behind which the arenas have to be equal."""

    layers: tuple[int, ...]
    equal: tuple[tuple[int, int], ...]


def shortened(kinds: Sequence[Hashable], kept: int, fold: int = 1) -> Shortened:
    """Keep ``kept`` repetitions of whatever repeats, and its last one.

    ``fold`` periods are one repetition: results that lie here and there in turns are the same again
    behind two.
    """
    layers: list[int] = []
    equal: list[tuple[int, int]] = []
    at, count = 0, len(kinds)
    while at < count:
        period, times = _longest_run(kinds, at, kept + 1, fold)
        if not times:
            layers.append(at)
            at += 1
            continue
        head = at + period * kept
        layers += range(at, head)
        equal.append((head - period - 1, head - 1))
        last = at + period * (times - 1)
        layers += range(last, last + period)
        at = last + period
    return Shortened(tuple(layers), tuple(equal))


def _longest_run(kinds: Sequence[Hashable], at: int, least: int, fold: int) -> tuple[int, int]:
    """The repetition that saves most layers from ``at`` on, and how often it comes, or (0, 0).

    It has ``fold`` periods.
    """
    best, found = 0, (0, 0)
    for period in range(1, min(_LONGEST, (len(kinds) - at) // (least + 1)) + 1):
        end = at + period
        while end < len(kinds) and kinds[end] == kinds[end - period]:
            end += 1
        times = (end - at) // (period * fold)
        saved = (times - least) * period * fold
        if times > least and saved > best:
            best, found = saved, (period * fold, times)
    return found

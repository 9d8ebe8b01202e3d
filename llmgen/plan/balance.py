"""Shares of one model on several devices that fit what others leave there."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from llmgen.budget.model import ServerSettings
from llmgen.plan import choices
from llmgen.plan.gap import Gap

# So often layers are moved from the fullest device to the emptiest.
MOVES = 12
# Where all devices together lack more than this part of their room, no division is looked for.
_HOPE = 1.02


def balanced(gap: Gap, settings: ServerSettings) -> ServerSettings:
    """The settings with whole layers on each device, in proportion to the room where that fits.

    Else layers move from the fullest device to the emptiest; and last, each device in turn takes
    as many as it holds, which finds every division that there is: what a device needs grows with
    its layers.
    """
    if len(settings.devices) < 2:
        return replace(settings, tensor_split=())
    first = choices.shares(gap.model, gap.free, settings)
    found = _moved(gap, settings, first)
    return _with(settings, found or _filled(gap, settings, sum(first)) or first)


def _with(settings: ServerSettings, counts: Sequence[int]) -> ServerSettings:
    return replace(settings, tensor_split=tuple(map(float, counts)))


def _missing(gap: Gap, settings: ServerSettings, counts: Sequence[int]) -> list[int] | None:
    """Bytes that each device lacks, negative where it has more; None if the server refuses."""
    used = gap.used(_with(settings, counts))
    return None if used is None else [used[key] - gap.left[key] for key in settings.devices]


def _moved(gap: Gap, settings: ServerSettings, first: Sequence[int]) -> list[int] | None:
    counts, seen = [*first], set[tuple[int, ...]]()
    for _ in range(MOVES):
        missing = _missing(gap, settings, counts)
        if missing is None or tuple(counts) in seen:
            return None
        if max(missing) <= 0:
            return counts
        seen.add(tuple(counts))
        giver, taker = missing.index(max(missing)), missing.index(min(missing))
        room = gap.left[settings.devices[giver]]
        each = max(1, (missing[giver] + room) // max(1, counts[giver]))
        most = min(counts[giver] - 1, -missing[taker] // each)
        if missing[taker] >= 0 or counts[giver] < 2:
            return None
        moved = max(1, min(-(-missing[giver] // each), most))
        counts[giver] -= moved
        counts[taker] += moved
    return None


def _filled(gap: Gap, settings: ServerSettings, layers: int) -> list[int] | None:
    """As many layers on each device in turn as it holds, the others on the last."""
    counts = [0] * len(settings.devices)
    counts[-1] = layers
    missing = _missing(gap, settings, counts)
    room = sum(gap.left[key] for key in settings.devices)
    if missing is None or sum(missing) + room > _HOPE * room:
        return None
    for at in range(len(counts) - 1):
        counts = _most(gap, settings, counts, at)
    missing = _missing(gap, settings, counts)
    return counts if missing and max(missing) <= 0 else None


def _most(gap: Gap, settings: ServerSettings, counts: list[int], at: int) -> list[int]:
    low, high = 0, counts[-1]
    while low < high:
        middle = (low + high + 1) // 2
        missing = _missing(gap, settings, _given(counts, at, middle))
        holds = missing is not None and missing[at] <= 0
        low, high = (middle, high) if holds else (low, middle - 1)
    return _given(counts, at, low)


def _given(counts: Sequence[int], at: int, taken: int) -> list[int]:
    given = [*counts]
    given[at] += taken
    given[-1] -= taken
    return given

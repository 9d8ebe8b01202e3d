"""Shares of one model on several devices that fit what others leave there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice, permutations
from typing import TypeAlias

from msgspec.structs import replace

from llmgen.budget.settings import ServerSettings
from llmgen.plan import choices
from llmgen.plan.gap import Gap

# So often layers are moved from the fullest device to the emptiest.
MOVES = 12
# In so many orders devices are filled, every one of up to four.
ORDERS = 24
# Where all devices together lack more than this part of their room, no division is looked for.
_HOPE = 1.02
# Bytes that each device lacks with so many layers, negative where it has more; None if the server
# refuses.
Look: TypeAlias = Callable[[Sequence[int]], list[int] | None]


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
    order, look = range(len(settings.devices)), partial(_missing, gap, settings)
    room = _room(gap, settings)
    return _with(settings, found or _filled(look, room, sum(first), order) or first)


def divisions(
    gap: Gap, start: ServerSettings, looked: Callable[[ServerSettings], None], *, near: bool = True
) -> Iterator[ServerSettings]:
    """Every other division with which the devices hold the model.

    First those that fill one device after the other, then those that are ``near``. Where layers are
    alike, of those that fit each is reached from each other by moving one at a time: what a device
    needs grows with its layers alone. Where they are not, some may be left out. What is looked at
    is told to ``looked`` before, which may raise, if it is not a division that is given.
    """
    first = tuple(map(int, start.tensor_split))

    def look(counts: Sequence[int]) -> list[int] | None:
        looked(_with(start, counts))
        return _missing(gap, start, counts)

    corners = {*_corners(look, _room(gap, start), sum(first), len(first))} - {first}
    yield from (_with(start, counts) for counts in sorted(corners, reverse=True))
    seen = {first, *corners}
    waiting = deque((first, *sorted(corners, reverse=True)) if near else ())
    while waiting:
        for counts in _neighbours(waiting.popleft()):
            if counts in seen:
                continue
            seen.add(counts)
            found = _with(start, counts)
            if gap.fits_devices(found):
                waiting.append(counts)
                yield found
            else:
                looked(found)


def _corners(look: Look, room: int, layers: int, devices: int) -> Iterator[tuple[int, ...]]:
    """Each device in turn filled, in every order of them, as long as they are few."""
    for order in islice(permutations(range(devices)), ORDERS):
        counts = _filled(look, room, layers, order)
        if counts:
            yield tuple(counts)


def _neighbours(counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """One layer moved from one device to another."""
    for giver, taker in permutations(range(len(counts)), 2):
        if counts[giver]:
            moved = [*counts]
            moved[giver] -= 1
            moved[taker] += 1
            yield tuple(moved)


def _with(settings: ServerSettings, counts: Sequence[int]) -> ServerSettings:
    return replace(settings, tensor_split=tuple(map(float, counts)))


def _room(gap: Gap, settings: ServerSettings) -> int:
    """Bytes that others leave on its devices."""
    return sum(gap.left[key] for key in settings.devices)


def _missing(gap: Gap, settings: ServerSettings, counts: Sequence[int]) -> list[int] | None:
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


def _filled(look: Look, room: int, layers: int, order: Sequence[int]) -> list[int] | None:
    """As many layers on each device in this order as it holds, the others on the last."""
    counts = [0] * len(order)
    counts[order[-1]] = layers
    missing = look(counts)
    if missing is None or sum(missing) + room > _HOPE * room:
        return None
    for at in order[:-1]:
        counts = _most(look, counts, at, order[-1])
    missing = look(counts)
    return counts if missing and max(missing) <= 0 else None


def _most(look: Look, counts: list[int], at: int, last: int) -> list[int]:
    low, high = 0, counts[last]
    while low < high:
        middle = (low + high + 1) // 2
        missing = look(_given(counts, at, last, middle))
        holds = missing is not None and missing[at] <= 0
        low, high = (middle, high) if holds else (low, middle - 1)
    return _given(counts, at, last, low)


def _given(counts: Sequence[int], at: int, last: int, taken: int) -> list[int]:
    given = [*counts]
    given[at] += taken
    given[last] -= taken
    return given

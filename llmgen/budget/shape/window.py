"""Which layers see only a sliding window, and how wide it is."""

from __future__ import annotations

from msgspec import Struct

from llmgen.budget.settings import SettingRefused
from llmgen.budget.shape.architectures import Architecture, Family, WindowPattern, WindowSwitch
from llmgen.budget.shape.header import Header

WIDTH, PATTERN = "attention.sliding_window", "attention.sliding_window_pattern"


class Spread(Struct, frozen=True):
    """``width`` tokens on the layers that are marked; ``used`` when a windowed cache exists."""

    used: bool
    width: int
    layers: tuple[bool, ...]


def spread_windows(
    rules: Architecture,
    header: Header,
    trunk: int,
    recurrent: tuple[bool, ...],
    *,
    lists: bool = True,
) -> Spread:
    """Spread an architecture's windows over its layers as its loader does.

    ``lists`` says whether a list in the header replaces an architecture's own period.
    """
    blocks, window = len(recurrent), rules.window
    every = window is not None and header.count(window.every_if)
    if rules.family is Family.COMPRESSED or every:
        return Spread(used=True, width=header.needed(WIDTH), layers=(True,) * blocks)
    if window is not None and window.attending and header.count(WIDTH):
        layers = tuple(il < trunk and not state for il, state in enumerate(recurrent))
        return Spread(used=True, width=header.count(WIDTH), layers=layers)
    if window is None or not _is_on(window, header, trunk):
        return Spread(used=False, width=0, layers=(False,) * blocks)
    width = window.forced or header.count(WIDTH, window.default)
    if not width and WIDTH not in header:
        raise SettingRefused("model", f"the header of this model has no `{WIDTH}`")
    return Spread(
        used=True, width=width, layers=_pattern(window, header, blocks, trunk, lists=lists)
    )


def _is_on(window: WindowPattern, header: Header, trunk: int) -> bool:
    match window.switch:
        case WindowSwitch.KEY:
            return bool(header.count(WIDTH))
        case WindowSwitch.ALWAYS:
            return True
        case WindowSwitch.UNLESS_ZERO:
            return header.count(WIDTH, 1) != 0
        case WindowSwitch.TRUNK_64:
            return trunk == 64


def _pattern(
    window: WindowPattern, header: Header, blocks: int, trunk: int, *, lists: bool
) -> tuple[bool, ...]:
    listed = header.listed(PATTERN)
    if listed and (lists or window.array):
        marks = tuple(bool(item) for item in listed[:blocks])
        return marks + (False,) * (blocks - len(marks))
    if window.array:
        raise SettingRefused("model", f"the header of this model has no list `{PATTERN}`")
    period = window.period if listed else header.count(PATTERN, window.period)
    if period == 0:
        return (True,) * trunk + (False,) * (blocks - trunk)
    full = 0 if window.dense_first else period - 1
    return tuple(il < trunk and il % period != full for il in range(blocks))

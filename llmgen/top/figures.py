"""Figures of a moment as people read them."""

from __future__ import annotations

from typing import Final

from llmgen.operate.status.rows import ModelStatus, PoolStatus
from llmgen.top.moment import LiveModel
from llmgen.units import show_count, show_size

UNKNOWN: Final = "-"


def size(found: int | None) -> str:
    """Bytes; a dash where nobody tells."""
    return UNKNOWN if found is None else show_size(found)


def of_plan(held: int | None, planned: int | None) -> str:
    """What is held, against the plan."""
    return f"{size(held)} of {size(planned)}"


def host_memory(row: ModelStatus) -> str:
    """A model's memory on the host against the plan's; nothing while it is not there."""
    return of_plan(row.memory or None, row.memory_planned) if row.memory else UNKNOWN


def device_memory(row: ModelStatus) -> str:
    """The same on its devices."""
    if row.device_memory is None:
        return UNKNOWN
    return of_plan(row.device_memory, row.device_memory_planned)


def context(row: ModelStatus) -> str:
    """Tokens that its server has room for."""
    return show_count(row.context) if row.context else UNKNOWN


def busy(row: ModelStatus) -> str:
    """Slots at work, of all."""
    return f"{row.busy}/{row.slots}" if row.slots else UNKNOWN


def queue(item: LiveModel) -> str:
    """Requests that wait."""
    return UNKNOWN if item.queue is None else str(item.queue)


def speed(item: LiveModel) -> str:
    """Tokens per second: now, else in parentheses what the last request got."""
    if item.tokens_per_second:
        return f"{item.tokens_per_second:.1f}"
    last = item.last_tokens_per_second
    return f"({last:.1f})" if last else UNKNOWN


def left_of(seconds: float | None) -> str:
    """How long until a model goes, as a clock counts."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ago(seconds: float | None) -> str:
    """How long ago something was."""
    if seconds is None:
        return "earlier"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def departure(item: LiveModel) -> str:
    """Why it left memory, and when."""
    return f"{item.left}, {ago(item.left_seconds)}" if item.left else ""


def bar(row: PoolStatus, width: int) -> str:
    """How full a pool is: `#` this stack, `:` other programs, `.` nobody."""
    used = max(row.used or 0, row.held or 0)
    held = _share(row.held or 0, row.capacity, width)
    all_of_it = max(held, _share(used, row.capacity, width))
    return f"[{'#' * held}{':' * (all_of_it - held)}{'.' * (width - all_of_it)}]"


def _share(part: int, whole: int, width: int) -> int:
    return min(width, round(part / whole * width)) if whole > 0 else 0

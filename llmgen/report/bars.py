"""Stacked bars of a state: who fills a pool, with what, up to which line; places are percents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from llmgen.report.report import KeepWord, MemoryPart, ModelFacts, PoolFacts, Report, StateFacts
from llmgen.units import show_size

# In the order in which a bar shows them, as people call them.
PARTS: Final[dict[MemoryPart, str]] = {
    "weights": "weights",
    "context": "context",
    "compute": "compute buffers",
    "caches": "prompt cache and outputs",
    "overhead": "the backend's own",
    "margin": "margin",
    "claimed": "whole process of another engine",
}
KEPT: Final[dict[KeepWord, str]] = {
    "always": "always on",
    "pinned": "pinned",
    "on demand": "on demand",
}
MARKS: Final[dict[KeepWord, str]] = {"always": "●", "pinned": "◆", "on demand": "○"}
_ORDER: Final = tuple(KEPT)
# Narrower than so many percent, models of a bar are drawn as one.
_LEAST: Final = 0.4
# A share of a bar that is about a pixel.
_SEEN: Final = 0.0008


class BarPiece(Struct, frozen=True):
    """One part of one model within its segment."""

    part: str
    x: str
    width: str


class Segment(Struct, frozen=True):
    """One model of a bar, or many small ones of a kind."""

    label: str
    keep: str
    x: str
    width: str
    words: str
    pieces: tuple[BarPiece, ...]


class Bar(Struct, frozen=True):
    """One pool in one state, from the left edge (0) to its capacity or what is asked (100 %)."""

    pool: str
    words: str
    used: str
    budget: str
    free: str
    over: str
    limit_x: str
    reserve_width: str
    over_width: str
    reserve: str
    segments: tuple[Segment, ...]


def percent(share: float) -> str:
    """A share of 1 as a length of CSS and SVG."""
    return f"{share * 100:.2f}".rstrip("0").rstrip(".") + "%"


def bars(report: Report, state: StateFacts) -> tuple[Bar, ...]:
    """A bar for each pool."""
    found = {item.name: item for item in report.models}
    members = sorted((found[name] for name in state.models), key=lambda m: _ORDER.index(m.keep))
    return tuple(_bar(pool, members, state) for pool in report.pools)


def _bar(pool: PoolFacts, members: Sequence[ModelFacts], state: StateFacts) -> Bar:
    used = state.used.get(pool.name, 0)
    scale = max(pool.capacity_bytes, used, 1)
    missing = max(0, used - pool.budget_bytes)
    free = show_size(pool.budget_bytes - used)
    ends = f"{show_size(missing)} missing" if missing else f"{free} free"
    held = ", ".join(
        f"{item.name} {show_size(item.footprint.get(pool.name, 0))} ({KEPT[item.keep]})"
        for item in members[:40]
        if item.footprint.get(pool.name)
    )
    return Bar(
        pool=pool.name,
        words=f"{pool.name}: {show_size(used)} of {show_size(pool.budget_bytes)} used, {ends}. "
        f"{held}",
        used=show_size(used),
        budget=show_size(pool.budget_bytes),
        free=free,
        over=show_size(missing) if missing else "",
        limit_x=percent(max(0, pool.budget_bytes) / scale),
        reserve_width=percent((pool.capacity_bytes - max(0, pool.budget_bytes)) / scale),
        over_width=percent(missing / scale),
        reserve=reserve_words(pool),
        segments=tuple(_segments(pool, members, scale)),
    )


def reserve_words(pool: PoolFacts) -> str:
    """Who has what models may not use; empty where nobody has."""
    return ", ".join(f"{show_size(item.size_bytes)} for {item.what}" for item in pool.reserves)


def _segments(pool: PoolFacts, members: Iterable[ModelFacts], scale: int) -> Iterator[Segment]:
    """Side by side; of each kind the small ones together at its end."""
    at, small = 0, list[ModelFacts]()
    for item in members:
        size = item.footprint.get(pool.name, 0)
        if small and small[0].keep != item.keep:
            yield _many(small, pool.name, at, scale)
            at += sum(one.footprint[pool.name] for one in small)
            small = []
        if 0 < size / scale * 100 < _LEAST:
            small.append(item)
        elif size:
            yield _segment(item, pool.name, at, scale)
            at += size
    if small:
        yield _many(small, pool.name, at, scale)


def _segment(item: ModelFacts, pool: str, at: int, scale: int) -> Segment:
    size = item.footprint[pool]
    found = item.parts.get(pool, {})
    told = ", ".join(f"{PARTS[part]} {show_size(found[part])}" for part in PARTS if part in found)
    how = basis_words(item)
    return Segment(
        label=f"{MARKS[item.keep]} {item.name} {show_size(size)}",
        keep=item.keep.replace(" ", "-"),
        x=percent(at / scale),
        width=percent(size / scale),
        words=f"{item.name}, {KEPT[item.keep]}: {show_size(size)} = {told}"
        f"{f' ({how})' if how else ''}",
        pieces=tuple(_pieces(found, size, scale)),
    )


def _many(items: Sequence[ModelFacts], pool: str, at: int, scale: int) -> Segment:
    size = sum(item.footprint[pool] for item in items)
    keep = items[0].keep
    count = f"{len(items)} small models" if len(items) > 1 else items[0].name
    sums = {part: sum(item.parts.get(pool, {}).get(part, 0) for item in items) for part in PARTS}
    return Segment(
        label=f"{MARKS[keep]} {count}",
        keep=keep.replace(" ", "-"),
        x=percent(at / scale),
        width=percent(size / scale),
        words=f"{count}, {KEPT[keep]}: {show_size(size)}",
        pieces=tuple(_pieces({part: size for part, size in sums.items() if size}, size, scale)),
    )


def _pieces(found: Mapping[MemoryPart, int], whole: int, scale: int) -> Iterator[BarPiece]:
    """The parts side by side, but for those that nobody would see."""
    at = 0
    for part in PARTS:
        size = found.get(part, 0)
        if size / scale > _SEEN:
            yield BarPiece(part, percent(at / whole), percent(size / whole))
        at += max(0, size)


def basis_words(item: ModelFacts) -> str:
    """How the numbers are known, unless all of them are computed by rules that were checked."""
    kinds = dict.fromkeys(kind for kind in item.basis.values() if kind != "computed")
    if kinds:
        return ", ".join(kinds)
    return "" if item.exact else "estimated"

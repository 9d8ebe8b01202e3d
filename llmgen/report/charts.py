"""Context against memory, drawn: exact points on a scale of doublings; places are percents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import log2
from typing import Final

from msgspec import Struct

from llmgen.report.bars import percent
from llmgen.report.report import Contexts, Curve, Point
from llmgen.units import GIB, show_count, show_size

# Shapes, one for each cache type of a chart.
SHAPES: Final = ("circle", "square", "triangle", "diamond")
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.05, 0.95, 0.12, 0.97
_STEPS: Final = (1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 40, 50, 64, 100, 128, 200, 256)


class Mark(Struct, frozen=True):
    """One point: where, what it says, whether it fits, whether it is the longest or today's."""

    x: str
    y: str
    words: str
    fits: bool
    longest: str
    now: bool


class ChartLine(Struct, frozen=True):
    """The points of one cache type."""

    name: str
    shape: str
    longest: str
    marks: tuple[Mark, ...]


class Label(Struct, frozen=True):
    """The longest context of one or several cache types, where it stands."""

    x: str
    y: str
    text: str


class ContextRow(Struct, frozen=True):
    """One context: what each cache type takes there."""

    context: str
    cells: tuple[tuple[str, str], ...]


class Chart(Struct, frozen=True):
    """One model: the drawing, the same as a table, and a sentence."""

    model: str
    pool: str
    words: str
    room: str
    room_y: str
    weights: str
    weights_y: str
    weights_height: str
    ticks: tuple[tuple[str, str], ...]
    levels: tuple[tuple[str, str], ...]
    lines: tuple[ChartLine, ...]
    labels: tuple[Label, ...]
    rows: tuple[ContextRow, ...]


def tokens(count: int) -> str:
    """``53.2K``; whole thousands of 1024 as everywhere."""
    return show_count(count) if count % 1024 == 0 or count < 1024 else f"{count / 1024:.1f}K"


def chart(found: Contexts) -> Chart:
    """The chart of one model."""
    sizes = sorted({point.context for curve in found.curves for point in curve.points})
    scale = _Scale(sizes[0], max(sizes[-1], sizes[0] + 1), _top(found))
    room = max(0, found.room_bytes)
    lines = tuple(
        _line(curve, shape, scale, found.now)
        for curve, shape in zip(found.curves, SHAPES, strict=False)
    )
    return Chart(
        model=found.model,
        pool=found.pool,
        words=_words(found),
        room=show_size(found.room_bytes),
        room_y=percent(scale.y(room)),
        weights=show_size(found.weights_bytes),
        weights_y=percent(scale.y(found.weights_bytes)),
        weights_height=percent(_BOTTOM - scale.y(found.weights_bytes)),
        ticks=tuple(
            (percent(scale.x(size)), tokens(size)) for size in sizes if size & (size - 1) == 0
        ),
        levels=tuple(_levels(scale, room)),
        lines=lines,
        labels=tuple(_labels(lines)),
        rows=tuple(_rows(found, sizes)),
    )


class _Scale(Struct, frozen=True):
    least: int
    most: int
    top: int

    def x(self, context: int) -> float:
        share = log2(context / self.least) / log2(self.most / self.least)
        return _LEFT + share * (_RIGHT - _LEFT)

    def y(self, size: int) -> float:
        return _BOTTOM - min(1.0, size / self.top) * (_BOTTOM - _TOP)


def _top(found: Contexts) -> int:
    most = max(point.used_bytes for curve in found.curves for point in curve.points)
    return max(most, found.room_bytes, 1)


def _levels(scale: _Scale, room: int) -> Iterator[tuple[str, str]]:
    """Some three lines at round sizes, none where the words of the room stand."""
    whole = scale.top / GIB
    step = next((size for size in _STEPS if whole / size <= 4), 512)
    for number in range(1, 5):
        size = number * step * GIB
        if size < scale.top and abs(scale.y(room) - scale.y(size)) > 0.09:
            yield percent(scale.y(size)), f"{number * step} GiB"


def name(curve: Curve) -> str:
    """A cache type; both where keys and values differ."""
    same = curve.cache_type_k == curve.cache_type_v
    return curve.cache_type_k if same else f"{curve.cache_type_k} / {curve.cache_type_v}"


def _line(curve: Curve, shape: str, scale: _Scale, now: int) -> ChartLine:
    marks = (_mark(point, curve, scale, now=now) for point in curve.points)
    return ChartLine(
        name(curve), shape, tokens(curve.longest) if curve.longest else "", tuple(marks)
    )


def _mark(point: Point, curve: Curve, scale: _Scale, *, now: int) -> Mark:
    fits = f"does not fit on {point.short}" if point.short else "fits"
    return Mark(
        x=percent(scale.x(point.context)),
        y=percent(scale.y(point.used_bytes)),
        words=f"{tokens(point.context)} in {name(curve)}: {show_size(point.used_bytes)}, {fits}",
        fits=not point.short,
        longest=tokens(point.context) if point.context == curve.longest else "",
        now=point.context == now,
    )


def _labels(lines: Iterable[ChartLine]) -> Iterator[Label]:
    """One for each length, at its highest point: lines that end alike share it."""
    ends = [mark for line in lines for mark in line.marks if mark.longest]
    for text in dict.fromkeys(mark.longest for mark in ends):
        mine = (mark for mark in ends if mark.longest == text)
        top = min(mine, key=lambda mark: float(mark.y.rstrip("%")))
        yield Label(top.x, top.y, text)


def _rows(found: Contexts, sizes: list[int]) -> Iterator[ContextRow]:
    by_place = {
        (curve, point.context): (show_size(point.used_bytes), _fate(point, found.curves[curve]))
        for curve in range(len(found.curves))
        for point in found.curves[curve].points
    }
    for size in sizes:
        cells = (by_place.get((curve, size), ("", "")) for curve in range(len(found.curves)))
        yield ContextRow(tokens(size) + (" (now)" if size == found.now else ""), tuple(cells))


def _fate(point: Point, curve: Curve) -> str:
    if point.short:
        return f"✕ {point.short}"
    return "✓ longest" if point.context == curve.longest else "✓"


def _words(found: Contexts) -> str:
    """What the points say, for those who do not see them."""
    first = found.curves[0]
    told = f"{tokens(found.now)} for one request now"
    if not first.longest:
        return f"{told}; no context fits beside the others"
    if first.longest >= found.trained:
        return f"{told}; all of the trained {tokens(found.trained)} fit"
    return f"{told}; {tokens(first.longest)} is the longest that fits in {name(first)}"

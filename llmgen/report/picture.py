"""The worst state of each pool as one SVG file, for pages that can show pictures alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from llmgen.artifacts import Render
from llmgen.report.bars import PARTS, bars
from llmgen.report.report import MemoryPart, Report, StateFacts

PICTURE: Final = "memory.svg"
# One bar with its words, in pixels of a picture that is 760 wide.
_BAR: Final = 96
# A line of 760 pixels holds all of these.
SHORT: Final[dict[MemoryPart, str]] = {
    "weights": "weights",
    "context": "context",
    "compute": "compute",
    "caches": "prompt cache",
    "overhead": "backend",
    "margin": "margin",
    "claimed": "other engine",
}


def picture(report: Report, render: Render) -> bytes:
    """A bar for each pool in the state that fills it most."""
    found = []
    for pool in report.pools:
        state = StateFacts(pool.state, "reachable", {pool.name: pool.peak_bytes}, {})
        found += [item for item in bars(report, state) if item.pool == pool.name]
    seen = {part for item in report.models for told in item.parts.values() for part in told}
    return render(
        "report/memory.svg.j2",
        host=report.host,
        rows=[(number * _BAR, item) for number, item in enumerate(found)],
        height=len(found) * _BAR + 32,
        legend_y=len(found) * _BAR,
        parts=[*_legend([part for part in PARTS if part in seen])],
    )


def _legend(parts: Iterable[MemoryPart]) -> Iterator[tuple[MemoryPart, str, int]]:
    """(part, its words, where it stands); so many pixels for a letter are enough for any font."""
    at = 0
    for part in parts:
        yield part, SHORT[part], at
        at += 38 + 8 * len(SHORT[part])

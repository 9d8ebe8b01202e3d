"""How large a margin recorded totals and fresh points ask for, for each row of llmgen/budget/margin.py.

Run it in tests/: `../.venv/bin/python -m oracle.margins [FILE…]`; files are further fresh points.
"""

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from llmgen.budget.margin import GUESSED, REPLAYED, UNRECORDED, Margin
from llmgen.units import MIB
from oracle import fresh_table, grid, points
from oracle.comparison import Pair, is_answered, pairs, said

NAMES = {REPLAYED: "replayed", UNRECORDED: "unrecorded build", GUESSED: "guessed"}


def main():
    """Print for each row how many devices were asked, how many fell short, and the worst of them."""
    counts, short = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
    worst: dict[Margin, tuple[float, str]] = {}
    for pair in chain(recorded(), fresh(map(Path, sys.argv[1:]))):
        for row, wanted, where in asked(pair):
            counts[row] += 1
            if wanted is not None:
                short[row] += 1
                worst[row] = max(worst.get(row, (-1e9, "")), (wanted, where))
    for row, name in NAMES.items():
        wanted, where = worst.get(row, (0.0, ""))
        print(
            f"{name:18} {counts[row]:6} devices, {short[row]:4} short, {wanted:7.1f} MiB  {where}"
        )


def recorded() -> Iterator[Pair]:
    """The grid at every build."""
    for path in sorted(grid.DATA.glob("answers-b*.json.xz")):
        yield from pairs(grid.recorded(path))


def fresh(more) -> Iterator[Pair]:
    """Points of drawn shapes."""
    kept = (
        path
        for kind in ("drawn", "fresh", "embedders")
        for path in grid.DATA.glob(f"{kind}-b*.json.xz")
    )
    yield from fresh_table.pairs(map(points.read, (*sorted(kept), *more)))


def asked(pair):
    """(row, MiB beside the share of compute or None if it is enough, where) of each device."""
    if pair.faulty or not is_answered(pair):
        return
    first = 1 if len(pair.ours.memory) > 1 else 0
    for mine, (ours, theirs, with_margin) in zip(
        pair.ours.memory[first:], pair.device_totals(), strict=True
    ):
        margin = with_margin - ours
        row = next((row for row in NAMES if row.of(mine.compute) == margin), REPLAYED)
        missing = theirs - ours
        wanted = (missing - mine.compute * row.percent // 100) / MIB if missing > 0 else None
        yield row, wanted, f"{said(pair.point)} on {mine.device}"


if __name__ == "__main__":
    main()

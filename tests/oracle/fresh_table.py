"""What fresh points say about the estimates: a line for each architecture.

``python -m oracle.fresh_table FILE…`` (from ``tests/``) compares written points again, without the library;
``--worst ARCHITECTURE`` prints the points of one architecture that are furthest off.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from llmgen.budget.estimate import estimate
from llmgen.budget.settings import SettingRefused
from llmgen.facts.gguf_facts import GgufFacts
from oracle.comparison import Pair, error, is_answered, said
from oracle.grid import Point
from oracle.points import Points, read

# Indices, alignment and the like: a difference of compute that says nothing about a graph.
CLOSE = 4096


@dataclass
class Row:
    """Counts and errors of one architecture's points, or of all."""

    points: int = 0
    aborted: int = 0
    refusals: int = 0
    weights: int = 0
    context: int = 0
    failed: int = 0
    over: int = 0
    # A figure for each device: how far compute is off, in bytes and as a share of theirs.
    bytes: list[int] = field(default_factory=list)
    compute: list[float] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)

    def take(self, pair: Pair) -> None:
        """Count one point."""
        answer = pair.point.answer
        self.points += 1
        if pair.faulty:
            self.aborted += 1
        elif pair.refusal.startswith(FAILED):
            self.failed += 1
        elif (pair.ours is None) != ("refused" in answer):
            self.refusals += 1
        if pair.faulty or not is_answered(pair):
            return
        assert pair.ours is not None
        mine = pair.ours
        self.weights += pair.column(0)[0] != pair.column(0)[1]
        self.context += pair.column(1)[0] != pair.column(1)[1] or (mine.n_ctx, mine.n_ctx_seq) != (
            answer["n_ctx"],
            answer["n_ctx_seq"],
        )
        self.over += any(theirs > margin for _, theirs, margin in pair.device_totals())
        for ours, theirs in zip(*pair.column(2), strict=True):
            self.bytes.append(abs(ours - theirs))
            self.compute.append(error(ours, theirs))
        self.totals.append(error(*pair.total()))


FAILED = "failed: "
HEADINGS = ("architecture", "points", "aborted", "refusals", "weights", "context", "failed", "close", "compute p50", "p95", "p99", "total p99", "worst", "over")  # fmt: skip


def pair_of(facts: GgufFacts, point: Point) -> Pair:
    """A point with our estimate; an exception that is no refusal is told as one."""
    try:
        return Pair(point, estimate(facts, point.settings, point.build))
    except SettingRefused as refused:
        return Pair(point, None, refused.message)
    except Exception as wrong:  # a shape that breaks a rule is a finding of its own
        return Pair(point, None, f"{FAILED}{wrong!r}")


def pairs(all_points: Iterable[Points]) -> Iterator[Pair]:
    """Every point with our estimate."""
    for points in all_points:
        for facts, point in points.asked():
            yield pair_of(facts, point)


def table(found: Iterable[Pair]) -> dict[str, Row]:
    """A row for each architecture, and one of all."""
    rows: dict[str, Row] = {"all": Row()}
    for pair in found:
        for name in ("all", pair.point.model.split("#")[0]):
            rows.setdefault(name, Row()).take(pair)
    return rows


def line(name: str, row: Row) -> str:
    """One row of a Markdown table."""
    close = sum(size <= CLOSE for size in row.bytes) / max(1, len(row.bytes))
    counts = (row.points, row.aborted, row.refusals, row.weights, row.context, row.failed)
    shares = (close, *(quantile(row.compute, part) for part in (0.5, 0.95, 0.99)))
    shares += (quantile(row.totals, 0.99), quantile(row.totals, 1.0))
    words = (name, *map(str, counts), *(f"{share:.2%}" for share in shares), str(row.over))
    return f"| {' | '.join(words)} |"


def quantile(values: list[float], part: float) -> float:
    """The value below which ``part`` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def show(all_points: Iterable[Points]) -> None:
    """Print the table."""
    print(f"| {' | '.join(HEADINGS)} |")
    print(f"| --- |{' ---: |' * (len(HEADINGS) - 1)}")
    for name, row in sorted(
        table(pairs(all_points)).items(), key=lambda item: (item[0] == "all", item[0])
    ):
        print(line(name, row))


def show_worst(all_points: Iterable[Points], architecture: str, count: int) -> None:
    """Print one architecture's points that are furthest off, and every difference that is no number."""
    found = [pair for pair in pairs(all_points) if pair.point.model.split("#")[0] == architecture]
    for pair in found:
        if not pair.faulty and (pair.ours is None) != ("refused" in pair.point.answer):
            print("REFUSAL", said(pair.point), "ours", pair.refusal, "theirs", pair.point.answer)
    answered = [pair for pair in found if is_answered(pair) and not pair.faulty]
    for pair in answered:
        for index, name in ((0, "WEIGHTS"), (1, "CONTEXT")):
            if pair.column(index)[0] != pair.column(index)[1]:
                print(name, said(pair.point), *pair.column(index))
    answered.sort(key=lambda pair: max(abs(a - b) for a, b in zip(*pair.column(2), strict=True)))
    for pair in answered[-count:]:
        print(said(pair.point), *pair.column(2))


def main() -> None:
    """Compare the files of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--worst", metavar="ARCHITECTURE")
    parser.add_argument("--count", type=int, default=20)
    asked = parser.parse_args()
    all_points = [read(path) for path in asked.files]
    if asked.worst:
        show_worst(all_points, asked.worst, asked.count)
    else:
        show(all_points)


if __name__ == "__main__":
    main()

"""llmgen's estimate beside the oracle's answer, for every recorded point.

``python -m oracle.comparison BUILD…`` (from ``tests/``) prints where they differ.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from llmgen.budget.estimate import estimate
from llmgen.budget.model import Estimate, SettingRefused
from llmgen.facts.local import read_model
from llmgen.facts.model import GgufFacts
from oracle import grid
from oracle.grid import Point


@dataclass(frozen=True)
class Pair:
    """One point with our estimate, or with why we refused it."""

    point: Point
    ours: Estimate | None
    refusal: str = ""

    @property
    def faulty(self) -> bool:
        """Whether the build cannot load this file at all, or died of an assertion of its own."""
        reason = str(self.point.answer.get("refused", ""))
        return reason.startswith(("abort:", "llama_model_load:"))

    def column(self, index: int) -> tuple[list[int], list[int]]:
        """Ours and theirs on each device: 0 model, 1 context, 2 compute."""
        assert self.ours is not None
        ours = [(item.model, item.context, item.compute)[index] for item in self.ours.memory]
        return ours, [device[index] for device in self.point.answer["memory"]]  # type: ignore[attr-defined]

    def device_totals(self) -> Iterator[tuple[int, int, int]]:
        """(ours, theirs, ours with margin) of every offload device; of the host where there is none."""
        assert self.ours is not None
        answers = self.point.answer["memory"]
        first = 1 if len(self.ours.memory) > 1 else 0
        for mine, theirs in list(zip(self.ours.memory, answers, strict=True))[first:]:  # type: ignore[call-overload]
            yield mine.total, sum(theirs), mine.total + self.ours.margin.get(mine.device, 0)


@cache
def all_facts() -> dict[str, GgufFacts]:
    """The facts of every model of the grid, read from its header by our own reader."""
    with tempfile.TemporaryDirectory() as folder:
        files = grid.write_models(Path(folder))
        return {name: read_model(path) for name, path in files.items()}


def pairs(points: Iterable[Point]) -> Iterator[Pair]:
    """Estimate every point."""
    for point in points:
        try:
            yield Pair(point, estimate(all_facts()[point.model], point.settings, point.build))
        except SettingRefused as refused:
            yield Pair(point, None, refused.message)


def said(point: Point) -> str:
    """A point in one line: the model and what differs from the server's defaults."""
    default = grid.server_settings({})
    names = point.settings.__dataclass_fields__
    told = (
        f"{name}={getattr(point.settings, name)}"
        for name in names
        if getattr(point.settings, name) != getattr(default, name)
    )
    return f"b{point.build} {point.model}: {' '.join(told)}"


def main() -> None:
    """Print the differences and the errors of the totals."""
    for number in sys.argv[1:]:
        found = list(pairs(grid.recorded(grid.DATA / f"answers-b{number}.json.xz")))
        _print_differences(found)
        _print_errors([pair for pair in found if not pair.point.model.startswith("fixture/")])


def _print_differences(found: list[Pair]) -> None:
    for pair in found:
        refused = "refused" in pair.point.answer
        if refused != (pair.ours is None) and not pair.faulty:
            print(
                "REFUSAL",
                said(pair.point),
                "| ours:",
                pair.refusal,
                "| theirs:",
                pair.point.answer.get("refused"),
            )
        elif pair.ours is not None and not refused:
            for index, name in ((0, "WEIGHTS"), (1, "CONTEXT")):
                ours, theirs = pair.column(index)
                if ours != theirs:
                    print(name, said(pair.point), "ours", ours, "theirs", theirs)
            if (pair.ours.n_ctx, pair.ours.n_ctx_seq) != (
                pair.point.answer["n_ctx"],
                pair.point.answer["n_ctx_seq"],
            ):
                print("GEOMETRY", said(pair.point), pair.ours.n_ctx, pair.ours.n_ctx_seq)


def _print_errors(found: list[Pair]) -> None:
    errors = []
    for pair in found:
        if pair.ours is not None and "refused" not in pair.point.answer:
            for ours, theirs, with_margin in pair.device_totals():
                errors.append((abs(ours - theirs) / theirs if theirs else float(ours > 0), pair))
                if with_margin < theirs:
                    print("OVER BUDGET", said(pair.point), with_margin, "<", theirs)
    errors.sort(key=lambda item: item[0])
    for error, pair in errors[-25:]:
        print(f"{error:.3%} {said(pair.point)} {pair.column(2)}")
    values = [item[0] for item in errors]
    print(
        f"{len(values)} totals: median {statistics.median(values):.4%}, p99 {values[int(len(values) * 0.99)]:.3%}, worst {values[-1]:.3%}"
    )


if __name__ == "__main__":
    main()

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
from llmgen.budget.memory import Estimate
from llmgen.budget.settings import SettingRefused
from llmgen.facts.gguf_facts import GgufFacts
from llmgen.facts.local import read_model
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

    def total(self) -> tuple[int, int]:
        """All offload devices together (the host where there is none): ours, theirs."""
        devices = list(self.device_totals())
        return sum(item[0] for item in devices), sum(item[1] for item in devices)


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
    names = point.settings.__struct_fields__
    told = (
        f"{name}={getattr(point.settings, name)}"
        for name in names
        if getattr(point.settings, name) != getattr(default, name)
    )
    return f"b{point.build} {point.model}: {' '.join(told)}"


def main() -> None:
    """Print the differences, the worst totals and the quantiles of their errors."""
    for number in sys.argv[1:]:
        found = list(pairs(grid.recorded(grid.DATA / f"answers-b{number}.json.xz")))
        for pair in found:
            for difference in differences(pair):
                print(difference)
        print_errors([pair for pair in found if is_published(pair) and is_answered(pair)])


def is_answered(pair: Pair) -> bool:
    """Whether the server starts and we say so."""
    return pair.ours is not None and "refused" not in pair.point.answer


def is_published(pair: Pair) -> bool:
    """Whether the model has the true shape of a published one."""
    return not pair.point.model.startswith("fixture/")


def differences(pair: Pair) -> Iterator[str]:
    """What is not as it has to be, in words."""
    answer = pair.point.answer
    if not pair.faulty and (pair.ours is None) != ("refused" in answer):
        theirs = answer.get("refused", "accepted")
        yield f"REFUSAL {said(pair.point)}: ours {pair.refusal or 'accepted'}, theirs {theirs}"
    if not is_answered(pair):
        return
    assert pair.ours is not None
    for index, name in ((0, "WEIGHTS"), (1, "CONTEXT")):
        ours, theirs = pair.column(index)
        if ours != theirs:
            yield f"{name} {said(pair.point)}: ours {ours}, theirs {theirs}"
    if (pair.ours.n_ctx, pair.ours.n_ctx_seq) != (answer["n_ctx"], answer["n_ctx_seq"]):
        yield f"GEOMETRY {said(pair.point)}: ours {pair.ours.n_ctx}, {pair.ours.n_ctx_seq}"
    for _, theirs, with_margin in pair.device_totals():
        if with_margin < theirs:
            yield f"OVER {said(pair.point)}: {with_margin} with its margin is less than {theirs}"


def print_errors(found: list[Pair]) -> None:
    """The worst totals of single devices, and the quantiles for devices and for all together."""
    devices = [
        (error(ours, theirs), pair) for pair in found for ours, theirs, _ in pair.device_totals()
    ]
    devices.sort(key=lambda item: item[0])
    for value, pair in devices[-25:]:
        print(f"{value:.3%} {said(pair.point)} {pair.column(2)}")
    print("each device:", quantiles([value for value, _ in devices]))
    print("all devices:", quantiles([error(*pair.total()) for pair in found]))


def error(ours: int, theirs: int) -> float:
    """Relative error; a figure for nothing is 100 %."""
    return abs(ours - theirs) / theirs if theirs else float(ours > 0)


def quantiles(errors: list[float]) -> str:
    """Median, 99th percentile and worst."""
    ordered = sorted(errors)
    p99 = ordered[int(len(ordered) * 0.99)]
    return f"{len(ordered)}, median {statistics.median(ordered):.4%}, p99 {p99:.3%}, worst {ordered[-1]:.3%}"


if __name__ == "__main__":
    main()

"""``show --expect``: the most tokens per second that memory allows, beside what bench measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llmgen.bench.comparison import newest
from llmgen.cli.outcome import Outcome, plain
from llmgen.plan.expect import ExpectedSpeed, expected
from llmgen.units import show_size

if TYPE_CHECKING:
    from llmgen.cli.pipeline import Read
    from llmgen.plan.plan import Plan

RESULTS = "bench.jsonl"


def show_expected(found: Read, placed: Plan) -> Outcome:
    """One line for each model that generates."""
    rows = [*expected(placed)]
    measured = _measured(found.folder / RESULTS)
    data = [{**plain(row), "measured": measured.get(row.model)} for row in rows]
    return Outcome({"expected": data}, text=lambda: _print(rows, measured))


def _measured(path: Path) -> dict[str, float]:
    """Tokens per second of answers at the least depth that llama-bench was asked for."""
    try:
        results = newest(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    found: dict[str, float] = {}
    for (model, _, what), speed in results.items():
        if what.startswith("answer") and what.endswith("at depth 0"):
            found[model] = speed
    return found


def _print(rows: Sequence[ExpectedSpeed], measured: dict[str, float]) -> None:
    from llmgen.cli.drawing import echo, paragraph, table_of

    table = table_of("model", ">read per token", ">at most", ">full context", ">measured")
    for row in rows:
        table.add_row(
            row.model,
            show_size(row.read_bytes),
            _speed(row.empty_per_second),
            _speed(row.full_per_second),
            _speed(measured.get(row.model, 0.0)),
        )
    if not rows:
        echo("no model generates")
        return
    echo(table, paragraph("tokens per second of one request: memory read over its bandwidth"))
    if unknown := sorted({name for row in rows for name in row.unknown}):
        echo(paragraph(f"the bandwidth of {', '.join(unknown)} is not known: {_HINT}"))


_HINT = "`memory_bandwidth` in [hardware], `bandwidth` of a device there"


def _speed(per_second: float) -> str:
    return f"{per_second:.1f}" if per_second else "-"

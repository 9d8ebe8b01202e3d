"""Memory figures as a table in llama.cpp's own words, and their arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from llmgen.budget.memory import Estimate
from llmgen.cli.drawing import echo
from llmgen.units import MIB, show_count, show_size
from llmgen.verify.comparison import WORDS, Difference


def show_breakdown(path: str, architecture: str, made: Estimate, *, explain: bool) -> None:
    """Print one model's figures; with ``explain``, every summand below them."""
    kind = "exact" if made.exact else "estimated"
    slot = "" if made.n_ctx_seq == made.n_ctx else f", {show_count(made.n_ctx_seq)} for a slot"
    echo(f"{path}: {architecture}, context {show_count(made.n_ctx)}{slot} ({kind})")
    echo(_memory(made))
    for warning in made.warnings:
        echo(f"warning: {warning}")
    if explain:
        echo(_parts(made))


def _memory(made: Estimate) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("device")
    for column in ("model", "context", "compute", "total"):
        table.add_column(column, justify="right")
    for row in made.memory:
        sizes = (row.model, row.context, row.compute, row.total)
        table.add_row(row.device, *map(show_size, sizes))
    return table


def _parts(made: Estimate) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("device")
    table.add_column("what")
    table.add_column("bytes", justify="right")
    for device, what, size in sorted(made.parts, key=lambda part: part[0] != "host"):
        table.add_row(device, what, f"{size:,}")
    return table


def show_differences(devices: Sequence[Difference]) -> None:
    """Print our MiB beside the program's; a row is marked where they differ."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("device, MiB")
    for column in WORDS:
        table.add_column(column, justify="right")
        table.add_column("measured", justify="right")
    table.add_column("")
    for row in devices:
        sizes = (
            f"{getattr(side, word) // MIB:,}" for word in WORDS for side in (row.ours, row.theirs)
        )
        table.add_row(row.device, *sizes, "differs" if row.differs else "same")
    echo(table)

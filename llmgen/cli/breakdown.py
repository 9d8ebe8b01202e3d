"""Memory figures as a table in llama.cpp's own words, and their arithmetic."""

from __future__ import annotations

from rich.table import Table

from llmgen.budget.model import Estimate
from llmgen.cli.tables import console
from llmgen.units import show_count, show_size


def show_breakdown(path: str, architecture: str, made: Estimate, *, explain: bool) -> None:
    """Print one model's figures; with ``explain``, every summand below them."""
    out = console()
    kind = "exact" if made.exact else "estimated"
    slot = "" if made.n_ctx_seq == made.n_ctx else f", {show_count(made.n_ctx_seq)} for a slot"
    out.print(f"{path}: {architecture}, context {show_count(made.n_ctx)}{slot} ({kind})")
    out.print(_memory(made))
    for warning in made.warnings:
        out.print(f"warning: {warning}")
    if explain:
        out.print(_parts(made))


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

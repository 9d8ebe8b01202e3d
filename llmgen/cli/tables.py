"""The plan as tables for people; rich draws them, at a fixed width where there is no terminal."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from io import StringIO

import click
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table

from llmgen.cli.printable import printable
from llmgen.cli.view import ModelView, PlanView, PoolView
from llmgen.plan.explain import Explained
from llmgen.units import show_bar, show_count, show_size

FIXED_WIDTH, LEAST_WIDTH = 100, 60
# Between two columns.
GAP = 2


def echo(*parts: RenderableType) -> None:
    """Print tables and lines as wide as the terminal, without spaces at the ends of lines."""
    drawn = StringIO()
    width = max(_width(), *(_least(part) for part in parts if isinstance(part, Table)), 0)
    console = Console(file=drawn, width=width, highlight=False, emoji=False, markup=False)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
    for line in drawn.getvalue().splitlines():
        click.echo(printable(line.rstrip()))


def _width() -> int:
    if not sys.stdout.isatty():
        return FIXED_WIDTH
    return max(shutil.get_terminal_size().columns, LEAST_WIDTH)


def _least(table: Table) -> int:
    """The width at which only a last column of text wraps, between words: figures stay whole."""
    widths = [
        max(map(cell_len, _parts([str(column.header), *map(str, column.cells)], column.no_wrap)))
        for column in table.columns
    ]
    return sum(widths) + GAP * (len(widths) - 1)


def _parts(cells: list[str], whole: bool) -> list[str]:
    split = str.splitlines if whole else str.split
    return ["", *(part for cell in cells for part in split(cell))]


def show_plan(plan: PlanView) -> None:
    """Pools, models, names, endpoints."""
    echo(title(plan))
    if plan.override:
        echo(f"OVERRIDDEN: {plan.override}")
    shown = [pools(plan.pools), models(plan.models), names(plan.models), endpoints(plan)]
    for table in shown:
        if table.row_count:
            echo("", table)


def title(plan: PlanView) -> str:
    """Which machine the plan is for."""
    profile = f" ({plan.profile})" if plan.profile else ""
    return f"{plan.host}{profile}: {plan.backend} on {plan.os}, llama.cpp b{plan.build}"


def show_explained(plan: PlanView, explained: Explained) -> None:
    """Pools, then every state with a bar for each pool, and why open values came out so."""
    echo(title(plan), "", pools(plan.pools), "", *explained.lines())


def pools(rows: Sequence[PoolView]) -> Table:
    """How full each pool gets, with a bar."""
    table = table_of("pool", "", ">peak", ">of", ">free", "fullest with")
    for row in rows:
        table.add_row(
            row.name,
            show_bar(row.peak, row.budget),
            show_size(row.peak),
            show_size(row.budget),
            show_size(row.free),
            ", ".join(row.state),
        )
    return table


def models(rows: Sequence[ModelView]) -> Table:
    """One line for each model."""
    columns = ("model", "role", "kept", "on", ">port", ">context", ">slots", "K/V", ">memory")
    table = table_of(*columns)
    for row in rows:
        kept = "pinned" if row.pinned else row.keep.replace("_", " ")
        exact = "" if row.exact else "~"
        table.add_row(
            row.name,
            row.role,
            kept,
            "+".join(row.devices) or "host",
            str(row.port) if row.port else "-",
            show_count(row.n_ctx_seq),
            str(row.parallel),
            row.cache_type_k
            if row.cache_type_k == row.cache_type_v
            else f"{row.cache_type_k}/{row.cache_type_v}",
            f"{exact}{show_size(row.total)}",
        )
    return table


def names(rows: Sequence[ModelView]) -> Table:
    """What clients may call each model."""
    table = table_of("model", "also answers to")
    for row in rows:
        if len(row.names) > 1:
            table.add_row(row.name, ", ".join(row.names[1:]))
    return table


def endpoints(plan: PlanView) -> Table:
    """Where clients connect, and who loads models on demand."""
    table = table_of("endpoint", "url", "")
    for row in plan.endpoints:
        state = "enabled" if row.enabled else "rendered, not enabled"
        engine = f"{state}; {plan.engine_detail}" if row.name in ("llama-swap", "router") else state
        table.add_row(row.name, row.url, engine)
    return table


def show_model(row: ModelView) -> None:
    """One model: memory by device, and its command line."""
    echo(f"{row.name}: {row.role}, {row.file} ({show_size(row.size)})", "", memory(row), "")
    echo(*(f"{why.key} = {why.value}: {why.why}" for why in row.reasons))
    echo(shlex.join(row.argv))


def memory(row: ModelView) -> Table:
    """What one server allocates, in llama.cpp's words."""
    table = table_of(
        "device", ">model", ">context", ">compute", ">margin", ">prompt cache and the like"
    )
    for item in row.memory:
        extra = row.host_memory.total if item.device == "host" else 0
        table.add_row(
            item.device,
            show_size(item.model),
            show_size(item.context),
            show_size(item.compute),
            show_size(row.margin.get(item.device, 0)),
            show_size(extra),
        )
    return table


def table_of(*columns: str) -> Table:
    """An empty table; a column whose name begins with ``>`` stands to the right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for index, column in enumerate(columns):
        right = column.startswith(">")
        table.add_column(
            column.lstrip(">"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=right or index < len(columns) - 1,
        )
    return table

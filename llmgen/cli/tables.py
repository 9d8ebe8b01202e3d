"""The plan as tables for people; rich draws them, at a fixed width where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmgen.cli.view import ModelView, PlanView, PoolView
from llmgen.units import show_count, show_size

FIXED_WIDTH = 100
BAR = 24


def console() -> Console:
    """Standard output for rich, with the colour choice of the command line."""
    ctx = click.get_current_context(silent=True)
    colour = ctx.color if ctx else None
    terminal = sys.stdout.isatty()
    return Console(
        width=None if terminal else FIXED_WIDTH,
        no_color=colour is False,
        force_terminal=True if colour else None,
        highlight=False,
        emoji=False,
        markup=False,
        soft_wrap=False,
    )


def show_plan(plan: PlanView) -> None:
    """Pools, models, names, endpoints."""
    out = console()
    profile = f" ({plan.profile})" if plan.profile else ""
    out.print(f"{plan.host}{profile}: {plan.backend} on {plan.os}, llama.cpp b{plan.build}")
    if plan.override:
        out.print(f"OVERRIDDEN: {plan.override}")
    out.print(pools(plan.pools))
    out.print(models(plan.models))
    if plan.models:
        out.print(names(plan.models))
    out.print(endpoints(plan))


def pools(rows: Sequence[PoolView]) -> Table:
    """How full each pool gets, with a bar."""
    table = table_of("pool", "", ">peak", ">of", ">free", "fullest with")
    for row in rows:
        table.add_row(
            row.name,
            bar(row.peak, row.budget),
            show_size(row.peak),
            show_size(row.budget),
            show_size(row.free),
            ", ".join(row.state),
        )
    return table


def models(rows: Sequence[ModelView]) -> Table:
    """One line for each model."""
    table = table_of("model", "role", "kept", ">port", ">context", ">slots", "K/V", ">memory")
    for row in rows:
        kept = "pinned" if row.pinned else row.keep.replace("_", " ")
        exact = "" if row.exact else "~"
        table.add_row(
            row.name,
            row.role,
            kept,
            str(row.port) if row.port else "-",
            show_count(row.n_ctx_seq),
            str(row.parallel),
            row.cache_type_k
            if row.cache_type_k == row.cache_type_v
            else f"{row.cache_type_k}/{row.cache_type_v}",
            f"{exact}{show_size(max(row.footprint.values(), default=0))}",
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


def bar(used: int, whole: int, width: int = BAR) -> str:
    """A bar of ``#`` for what is used of ``whole``; ``!`` past the end."""
    share = used / whole if whole > 0 else 1.0
    filled = min(width, max(0, round(share * width)))
    return f"[{'#' * filled}{'.' * (width - filled)}]{'!' if share > 1 else ''}"


def show_model(row: ModelView) -> None:
    """One model: memory by device, and its command line."""
    out = console()
    out.print(f"{row.name}: {row.role}, {row.file} ({show_size(row.size)})")
    out.print(memory(row))
    for why in row.reasons:
        out.print(f"{why.key} = {why.value}: {why.why}")
    out.print(Text(" ".join(row.argv)))


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
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, column in enumerate(columns):
        right = column.startswith(">")
        table.add_column(
            column.lstrip(">"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=index == 0,
        )
    return table

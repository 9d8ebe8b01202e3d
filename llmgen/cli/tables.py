"""The plan as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from llmgen.cli.drawing import command_lines, echo, paragraph, table_of
from llmgen.cli.view import ModelView, PlanView, PoolView
from llmgen.engines.registry import USUAL
from llmgen.plan.explain import Explained
from llmgen.units import show_count, show_size


def show_plan(plan: PlanView) -> None:
    """Pools, models, names, endpoints."""
    echo(paragraph(title(plan)))
    if plan.override:
        echo(f"OVERRIDDEN: {plan.override}")
    shown = [pools(plan.pools), models(plan.models), names(plan.models), endpoints(plan)]
    for table in shown:
        if table.row_count:
            echo("", table, *([paragraph(LEGEND)] if table is shown[0] else []))
    if plan.resting:
        echo("", paragraph(plan.resting))


def title(plan: PlanView) -> str:
    """Which machine the plan is for."""
    profile = f" ({plan.profile})" if plan.profile else ""
    return f"{plan.host}{profile}: {plan.backend} on {plan.os}, llama.cpp b{plan.build}"


def show_explained(plan: PlanView, explained: Explained) -> None:
    """Pools, then every state with a bar for each pool, and why open values came out so."""
    echo(
        title(plan),
        "",
        pools(plan.pools),
        paragraph(LEGEND),
        "",
        *map(paragraph, explained.lines()),
    )
    if plan.resting:
        echo("", paragraph(plan.resting))


def pools(rows: Sequence[PoolView]) -> Table:
    """How full each pool gets, with a bar."""
    table = table_of("pool", "", ">peak", ">of", ">free", "fullest with")
    for row in rows:
        table.add_row(
            row.name,
            _bar(row),
            show_size(row.peak),
            show_size(row.budget),
            show_size(row.free),
            ", ".join(row.state),
        )
    return table


# How each part of a bar is drawn: its mark, and its colour on a terminal that has any.
MARKS: Final = {
    "weights": ("#", "blue"),
    "context": ("=", "green"),
    "compute": ("+", "yellow"),
    "other": ("~", "magenta"),
}
LEGEND: Final = "# weights  = context  + compute  ~ margin, caches, the backend's own"
_BAR: Final = 24


def _bar(row: PoolView) -> Text:
    """What fills a pool, part by part; each ends where all before it together end."""
    bar, drawn, total = Text("["), 0, 0
    for part, (mark, colour) in MARKS.items():
        total += getattr(row.parts, part)
        end = min(_BAR, max(drawn, round(total / row.budget * _BAR))) if row.budget > 0 else _BAR
        bar.append(mark * (end - drawn), style=colour)
        drawn = end
    return bar.append("." * (_BAR - drawn) + "]")


def models(rows: Sequence[ModelView]) -> Table:
    """One line for each model."""
    columns = ("model", "role", "kept", "on", ">port", ">context", ">slots", "K/V", ">memory")
    table = table_of(*columns)
    for row in rows:
        kept = "pinned" if row.pinned else row.keep.replace("_", " ")
        told = [kind for kind in dict.fromkeys(row.basis.values()) if kind != "computed"]
        exact = "" if row.exact or told else "~"
        table.add_row(
            row.name,
            row.role,
            kept,
            "+".join(row.devices) or "host",
            str(row.port) if row.port else "-",
            show_count(row.n_ctx_seq) if row.n_ctx_seq else "-",
            str(row.parallel),
            _cache(row),
            f"{exact}{show_size(row.total)}{' ' if told else ''}{', '.join(told)}",
        )
    return table


def _cache(row: ModelView) -> str:
    """K and V types, which only llama-server's options tell."""
    if row.engine != USUAL.name:
        return "-"
    same = row.cache_type_k == row.cache_type_v
    return row.cache_type_k if same else f"{row.cache_type_k}/{row.cache_type_v}"


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
    size = f" ({show_size(row.size)})" if row.size else ""
    echo(f"{row.name}: {row.role}, {row.file or row.engine}{size}")
    echo(*map(paragraph, row.card), "", memory(row), "")
    echo(*(paragraph(f"{why.key} = {why.value}: {why.why}", hang=2) for why in row.reasons))
    echo(command_lines(row.argv))


def memory(row: ModelView) -> Table:
    """What one server allocates, in llama.cpp's words; of other engines a sum and its basis."""
    if row.engine != USUAL.name:
        table = table_of("device", ">memory", "basis")
        for item in row.memory:
            table.add_row(item.device, show_size(item.total), row.basis[item.device])
        return table
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

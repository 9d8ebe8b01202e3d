"""The plan as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from llmgen.cli.drawing import command_lines, echo, paragraph, screenful, table_of
from llmgen.cli.view import ModelView, PlanView, PoolView
from llmgen.engines.registry import USUAL
from llmgen.plan.explain import Explained
from llmgen.plan.price import StepBack, nearest
from llmgen.targets.containers.shares import sentence
from llmgen.units import show_count, show_size

# So many models are listed where all would pass a screenful.
LARGEST: Final = 10


def show_plan(plan: PlanView, *, whole: bool = True) -> None:
    """Pools, models, names, endpoints; past a screenful a summary, unless all is asked for."""
    echo(paragraph(title(plan)))
    if plan.override:
        echo(f"OVERRIDDEN: {plan.override}")
    many = not whole and len(plan.models) > screenful()
    rows = largest(plan.models) if many else plan.models
    shown = [pools(plan.pools), models(rows), names(rows), endpoints(plan), containers(plan)]
    shown += [] if many else [pages(plan)]
    for table in shown:
        if table.row_count:
            echo("", table, *([paragraph(LEGEND)] if table is shown[0] else []))
        if many and table is shown[1]:
            echo("", kinds(plan.models), *map(paragraph, _others(plan, len(rows))))
    if told := sentence(plan.containers):
        echo("", paragraph(told))
    if plan.resting:
        echo("", paragraph(plan.resting))
    lines = [*_untold(plan), *(step.sentence for step in nearest(plan.steps))]
    echo(*(["", *(paragraph(line, hang=2) for line in lines)] if lines else []))


def _untold(plan: PlanView) -> Iterator[str]:
    if not plan.complete:
        yield (
            "Not every set that fits is told to llama-swap, so a model may be unloaded that could "
            "have stayed; what is loaded together always fits"
        )


def _others(plan: PlanView, shown: int) -> Iterator[str]:
    yield (
        f"{len(plan.models)} models, the {shown} largest above; `llmgen show --all` lists every "
        "one, `llmgen show --model NAME` tells all of one"
    )


def largest(rows: Sequence[ModelView]) -> list[ModelView]:
    """The few models that take most."""
    return sorted(rows, key=lambda row: (-row.total, row.name))[:LARGEST]


def kinds(rows: Sequence[ModelView]) -> Table:
    """How many models there are of each role, and what the largest of them takes."""
    table = table_of("role", "kept", ">models", ">largest")
    found: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        found.setdefault((row.role, _kept(row)), []).append(row.total)
    for (role, kept), sizes in sorted(found.items()):
        table.add_row(role, kept, str(len(sizes)), show_size(max(sizes)))
    return table


def _kept(row: ModelView) -> str:
    return "pinned" if row.pinned else row.keep.replace("_", " ")


def title(plan: PlanView) -> str:
    """Which machine the plan is for."""
    profile = f" ({plan.profile})" if plan.profile else ""
    return f"{plan.host}{profile}: {plan.backend} on {plan.os}, llama.cpp b{plan.build}"


def show_explained(plan: PlanView, explained: Explained) -> None:
    """Pools, then every state with a bar for each pool, why open values came out so, and steps."""
    echo(
        title(plan),
        "",
        pools(plan.pools),
        paragraph(LEGEND),
        "",
        *map(paragraph, explained.lines()),
    )
    if told := sentence(plan.containers):
        echo("", paragraph(told))
    if plan.resting:
        echo("", paragraph(plan.resting))
    if plan.steps:
        echo("", steps(plan.steps), *map(paragraph, _order(plan.steps)))


def steps(rows: Sequence[StepBack]) -> Table:
    """What a step back of an earlier value would buy a later one."""
    table = table_of("model", "with", "instead of", "buys", ">from", ">to", ">host reads", "price")
    for row in rows:
        read = show_size(row.read_bytes) if row.read_bytes else "-"
        table.add_row(
            row.model, f"{row.key} = {row.then}", row.now, row.buys, row.buys_now, row.buys_then,
            read, row.price,
        )  # fmt: skip
    return table


def _order(rows: Sequence[StepBack]) -> Iterator[str]:
    yield (
        "host reads: bytes that each token reads more over the bus of host memory; contexts are "
        "those of one request"
    )
    firsts = dict.fromkeys(row.buys for row in rows if row.open)
    for key in firsts:
        yield f'`prefer = ["{key}"]` in [plan] settles `{key}` first'


def pages(plan: PlanView) -> Table:
    """What a browser shows of the stack while it runs; `llmgen open` opens it."""
    table = table_of("page", "url", "shows")
    for row in plan.pages[:LARGEST]:
        table.add_row(row.name, row.url, row.shows)
    return table


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
        told = [kind for kind in dict.fromkeys(row.basis.values()) if kind != "computed"]
        exact = "" if row.exact or told else "~"
        table.add_row(
            row.name,
            row.role,
            _kept(row),
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


def containers(plan: PlanView) -> Table:
    """How much each container may hold, and what of that is no model's."""
    table = table_of("container", "limit", "temporary", "shared", "files it maps")
    for row in plan.containers:
        own = (row.limit, row.tmpfs, row.shm, row.files)
        table.add_row(row.name, *(show_size(size) if size else "-" for size in own))
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
        *("device", ">model", ">context", ">compute", ">margin", ">backend"),
        ">prompt cache and the like",
    )
    for item in row.memory:
        extra = row.host_memory.total if item.device == "host" else 0
        table.add_row(
            item.device,
            show_size(item.model),
            show_size(item.context),
            show_size(item.compute),
            show_size(row.margin.get(item.device, 0)),
            show_size(row.backend.get(item.device, 0)),
            show_size(extra),
        )
    return table

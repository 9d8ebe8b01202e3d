"""``llmgen show`` of several hosts: a sum of all, then a page for each; and one of them down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click
from msgspec import Struct
from rich.table import Table

from llmgen.cli.drawing import echo, paragraph, screenful, table_of
from llmgen.cli.hosts import chosen, fleet_of, notes, refuse_unknown
from llmgen.cli.outcome import Outcome
from llmgen.cli.tables import LARGEST, show_plan
from llmgen.cli.view import ModelView, PlanView, view
from llmgen.units import show_count, show_size

if TYPE_CHECKING:
    from llmgen.cli.boundary import Session
    from llmgen.cli.pipeline import Read
    from llmgen.fleet.outage import Outage


class SeatView(Struct, frozen=True):
    """One model: the hosts that serve it, the first before the others, and why these."""

    name: str
    hosts: tuple[str, ...]
    why: str = ""


class FleetView(Struct, frozen=True):
    """Everything that ``show`` says of several hosts."""

    hosts: Mapping[str, PlanView]
    models: tuple[SeatView, ...]


def show_fleet(session: Session, found: Read, *, every: bool) -> Outcome:
    """All hosts, or those that are asked for."""
    fleet, hosts = fleet_of(found), chosen(found, session)
    pages = {name: view(fleet.members[name].plan) for name in hosts}
    seats = tuple(
        SeatView(name, seat, fleet.reasons.get(name, ""))
        for name, seat in fleet.seats.items()
        if {*seat} & {*hosts}
    )
    seen, prefix = FleetView(pages, seats), found.config.naming.prefix
    return Outcome(
        seen, text=lambda: _show(seen, prefix, whole=every), diagnostics=notes(found, fleet, hosts)
    )


def show_without(found: Read, down: str) -> Outcome:
    """What is left when a host is down."""
    from llmgen.cli.pipeline import read_lock
    from llmgen.config.load import merged
    from llmgen.fleet.ground import ground_of
    from llmgen.fleet.outage import without
    from llmgen.fleet.planner import choosing
    from llmgen.fleet.seats import wishes

    if not found.config.hosts:
        raise click.UsageError("llm.toml has no [hosts], so none of them can be down")
    refuse_unknown(found, down)
    fleet = fleet_of(found)
    ground = ground_of(found.config, merged(found.sources), read_lock(found))
    made = choosing(ground, wishes(found.config), everywhere=True)
    lost = without(made, fleet.seats, down)
    return Outcome(lost, text=lambda: _show_without(lost))


def _show(seen: FleetView, prefix: str, *, whole: bool) -> None:
    rows = {item.name: row for item in seen.models if (row := _row(seen, item, prefix))}
    if not whole and (len(seen.hosts) > LARGEST or len(rows) > screenful()):
        _summary(seen, rows)
        return
    echo(_sum(seen.hosts), "", _seats(seen, rows))
    for why in (item.why for item in seen.models if item.why):
        echo(paragraph(why, hang=2))
    for page in seen.hosts.values():
        echo("", "")
        show_plan(page, whole=whole)


def _summary(seen: FleetView, rows: Mapping[str, ModelView]) -> None:
    """The fullest hosts and the largest models, where all would pass a screenful."""
    full = sorted(seen.hosts, key=lambda name: min(pool.free for pool in seen.hosts[name].pools))
    fullest = {name: seen.hosts[name] for name in full[:LARGEST]}
    large = sorted(rows, key=lambda name: (-rows[name].total, name))[:LARGEST]
    largest = {name: rows[name] for name in large}
    echo(_sum(fullest), "", _seats(seen, largest))
    told = (
        f"{len(seen.hosts)} hosts, the {len(fullest)} with least room above, and {len(rows)} "
        f"models, the {len(largest)} largest; `llmgen show --all` lists every one, "
        "`llmgen show --host NAME` tells all of one host"
    )
    echo("", paragraph(told))


def _sum(pages: Mapping[str, PlanView]) -> Table:
    table = table_of("host", "machine", ">models", "pool", ">peak", ">of", ">free")
    for name, page in pages.items():
        machine = page.profile or f"{page.backend} on {page.os}"
        rows = [(name, machine, str(len(page.models)))]
        for at, pool in enumerate(page.pools):
            head = rows[0] if at == 0 else ("", "", "")
            sizes = (show_size(size) for size in (pool.peak, pool.budget, pool.free))
            table.add_row(*head, pool.name, *sizes)
    return table


def _seats(seen: FleetView, rows: Mapping[str, ModelView]) -> Table:
    table = table_of("model", "role", "on", "kept", ">context", ">memory")
    for item in seen.models:
        if row := rows.get(item.name):
            kept = "pinned" if row.pinned else row.keep.replace("_", " ")
            size = show_count(row.n_ctx_seq) if row.n_ctx_seq else "-"
            on = ", ".join(item.hosts)
            table.add_row(row.name, row.role, on, kept, size, show_size(row.total))
    return table


def _row(seen: FleetView, item: SeatView, prefix: str) -> ModelView | None:
    """The model as the first of its hosts that is shown has it."""
    pages = (seen.hosts[name] for name in item.hosts if name in seen.hosts)
    rows = (row for page in pages for row in page.models if row.name == prefix + item.name)
    return next(rows, None)


def _show_without(lost: Outage) -> None:
    echo(*(paragraph(line, hang=2) for line in _lines(lost)))


def _lines(lost: Outage) -> Iterator[str]:
    if lost.served:
        yield f"Without {lost.host} still served by others: {', '.join(lost.served)}"
    if not lost.lost:
        yield f"Without {lost.host} every name has a server."
        return
    yield f"Without {lost.host} nobody serves: {', '.join(lost.lost)}"
    for name, host in lost.together.items():
        yield f"{name} would fit on {host} beside what is there, with the others named here"
    for name, host in lost.alone.items():
        if name not in lost.together:
            yield f"{name} would fit on {host} beside what is there, but not with the others"
    never = [name for name in lost.lost if name not in lost.alone]
    if never:
        yield f"Nobody takes over {', '.join(never)}: no room, or always in memory where it is"

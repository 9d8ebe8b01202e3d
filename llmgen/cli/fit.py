"""``llmgen fit``: which context, cache type and slots fit, and which machine is large enough."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from llmgen.budget.builds import DEFAULT
from llmgen.budget.shape.rows import CACHE_TYPES
from llmgen.cli.boundary import Session, command
from llmgen.cli.options import ServerKey
from llmgen.cli.outcome import Outcome
from llmgen.errors import InputError
from llmgen.units import GIB, show_count

if TYPE_CHECKING:
    from llmgen.machine import Machine
    from llmgen.plan.fit import Candidate, FitCell

CONTEXTS = tuple(2**step for step in range(12, 21))
TYPES = ("f16", "q8_0", "q4_0")
SLOTS = (1, 2, 4)


@command(short_help="which context, cache type and slots fit a machine")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--profile", metavar="NAME", help="A built-in machine; absent: llm.toml's.")
@click.option("--ctx-size", type=ServerKey("ctx_size"), multiple=True, help="Context of one slot.")
@click.option("--cache-type", type=click.Choice(list(CACHE_TYPES)), multiple=True)
@click.option("--parallel", type=ServerKey("parallel"), multiple=True, help="Slots.")
def cli(
    session: Session,
    *,
    models: tuple[str, ...],
    profile: str | None,
    ctx_size: tuple[int, ...],
    cache_type: tuple[str, ...],
    parallel: tuple[int, ...],
) -> Outcome:
    """Try all MODELs together over contexts, cache types and slots.

    A MODEL is a name in llm.toml, a GGUF file, ORG/REPO:QUANT of the Hub (a few MiB are read,
    nothing is downloaded), or ollama:NAME. Every figure is what stays free on the fullest memory
    pool, or is missing there. Below stands the smallest built-in machine on which the first choice
    fits.

    ORG/REPO alone lists every model of that repository with the longest context that fits.
    """
    from llmgen.facts.hub_names import repository_name
    from llmgen.plan.fit import fit, grid, smallest

    machine = _profile(profile) if profile else _own_machine(session)
    if len(models) == 1 and (repo := repository_name(models[0])) and not Path(models[0]).exists():
        from llmgen.cli.quants import quants

        return quants(repo, machine, cache_type or TYPES, DEFAULT)
    asked = [_asked(session, name) for name in models]
    sizes = ctx_size or tuple(item for item in CONTEXTS if item <= _trained(asked)) or CONTEXTS[:1]
    choices = list(grid(sizes, cache_type or TYPES, parallel or SLOTS))
    cells = tuple(fit(asked, machine, choices, DEFAULT))
    enough = smallest(asked, _machines(), choices[0], DEFAULT)
    data = {
        "machine": machine.profile or machine.host,
        "cells": [_shown(cell) for cell in cells],
        "smallest_profile": enough.profile if enough else None,
    }
    said = _enough(enough, cells[0])
    return Outcome(data, text=lambda: _print(machine, cells), said=said)


def _trained(models: Sequence[Candidate]) -> int:
    """The longest context that all of them were trained with."""
    from llmgen.resolve.settings import trained_context

    return min(
        (trained_context(item.facts) or CONTEXTS[-1] for item in models), default=CONTEXTS[-1]
    )


def _asked(session: Session, name: str) -> Candidate:
    """A file's header, the Hub's, or what llm.lock has of a model of this name."""
    from llmgen.cli.others import refuse_others
    from llmgen.cli.references import FORMS, is_elsewhere, read_facts
    from llmgen.plan.fit import Candidate, candidate

    if "/" in name or name.endswith(".gguf") or Path(name).exists() or is_elsewhere(name):
        return candidate(read_facts(name))
    from llmgen.cli.pipeline import library, read

    models = library(read(session)).models
    refuse_others(models, [name], "`llmgen show` says what it takes")
    for model in models:
        if name in model.names:
            return Candidate(model.facts, model.role)
    raise click.UsageError(f"`{name}` is no model of llm.toml, and no {FORMS}")


def _own_machine(session: Session) -> Machine:
    from llmgen.cli.pipeline import read
    from llmgen.machine import machine

    try:
        config = read(session).config
    except InputError as error:
        found = [
            replace(item, hint=f"{item.hint}; `--profile NAME` needs none")
            for item in error.diagnostics
        ]
        raise InputError(found) from None
    return machine(config.hardware, config.budget)


def _profile(name: str) -> Machine:
    from llmgen.config.tables.hardware import Hardware
    from llmgen.config.tables.services import Budget
    from llmgen.machine import machine

    return machine(Hardware(profile=name, host=name), Budget())


def _machines() -> list[Machine]:
    from llmgen.profiles import profiles

    return [_profile(name) for name, table in profiles().items() if "memory" in table]


def _shown(cell: FitCell) -> dict[str, object]:
    return {
        "ctx_size": cell.ctx_size,
        "cache_type": cell.cache_type,
        "parallel": cell.parallel,
        "fits": cell.fits,
        "pool": cell.pool,
        "free_bytes": cell.free_bytes,
        "refused": cell.refused,
    }


def _enough(machine: Machine | None, first: FitCell) -> str:
    what = f"{first.cache_type}, {show_count(first.ctx_size)} of context, slots: {first.parallel}"
    if machine is None:
        return f"no built-in machine holds them with {what}"
    return f"the smallest built-in machine that holds them with {what}: {machine.profile}"


def _print(machine: Machine, cells: Sequence[FitCell]) -> None:
    """A line for each context, a column for each cache type and number of slots."""
    from llmgen.cli.drawing import echo, table_of

    columns = list(dict.fromkeys((cell.cache_type, cell.parallel) for cell in cells))
    table = table_of(">context", *(f">{kind}\nx{slots}" for kind, slots in columns))
    by_place = {(cell.ctx_size, cell.cache_type, cell.parallel): cell for cell in cells}
    for size in dict.fromkeys(cell.ctx_size for cell in cells):
        row = (_text(by_place[size, kind, slots]) for kind, slots in columns)
        table.add_row(show_count(size), *row)
    click.echo(f"{machine.profile or machine.host}: GiB free on the fullest pool, minus is missing")
    echo(table)


def _text(cell: FitCell) -> str:
    return "refused" if cell.refused else f"{cell.free_bytes / GIB:.1f}"

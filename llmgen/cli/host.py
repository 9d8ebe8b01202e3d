"""``llmgen host``: settings of the machine itself; printed, put in place and undone when asked."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.installing import below
from llmgen.cli.options import FileNameParam
from llmgen.cli.outcome import Outcome
from llmgen.cli.writing import counts, rows, ways_out

if TYPE_CHECKING:
    from llmgen.apply.changes import Ways
    from llmgen.apply.snapshot import Place
    from llmgen.errors import Diagnostic
    from llmgen.operate.installation.host_files import HostSettings
    from llmgen.plan.plan import Plan
    from llmgen.targets.host.files import HostFile


@command(short_help="settings of the machine itself: kernel, devices, accounts, limits")
@click.option("--install", "action", flag_value="install", help="Put them in place (needs root).")
@click.option(
    "--uninstall", "action", flag_value="uninstall", help="Take them away again (needs root)."
)
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@click.option(
    "--root", type=FileNameParam(), metavar="DIR", help="Work below DIR instead of /; run nothing."
)
@ways_out
def cli(
    session: Session,
    *,
    action: str | None,
    dry_run: bool,
    root: str | None,
    overwrite: tuple[str, ...],
    adopt: bool,
    backup: bool,
) -> Outcome:
    """Print what the machine itself needs for this stack, each number with its source.

    GTT of an AMD APU, the wired limit of a Mac, groups and rules of device files, accounts,
    locked memory, low ports, and as [targets.host] asks, huge pages and a firewall that outlives
    boots. Nothing is changed without `--install`, and then only files that llmgen wrote are ever
    replaced; `--uninstall`, or root's `llmgen uninstall`, takes them away.
    """
    from llmgen.apply.changes import Ways
    from llmgen.operate.installation.host_files import place_of, prepare

    if action is None:
        if dry_run or root or overwrite or adopt or backup:
            raise click.UsageError("`--dry-run`, `--root` and ways out of conflicts are for "
                                   "`--install` and `--uninstall`")  # fmt: skip
        return _printed(*_files(session))
    place = place_of(root)
    ways = Ways(
        adopt=adopt, overwrite=frozenset(below(name, root) for name in overwrite), backup=backup
    )
    wanted = _files(session)[1] if action == "install" else ()
    return carry_out(place, prepare(place, wanted, ways), wanted, dry_run=dry_run)


def _files(session: Session) -> tuple[Plan, list[HostFile]]:
    from llmgen.cli.pipeline import known_plan, read, renderer
    from llmgen.errors import LlmgenError
    from llmgen.targets.host.files import files

    found = read(session)
    placed = known_plan(found)
    render = renderer(session)
    try:
        return placed, files(placed, render)
    except LlmgenError as error:
        raise found.located(error) from None


def _printed(placed: Plan, found: Sequence[HostFile]) -> Outcome:
    data = {"files": [_row(item) for item in found], "by_hand": [*_by_hand(placed)]}
    if not found:
        return Outcome(data, said="this stack needs nothing of the machine itself")
    said = [f"by hand: {item}" for item in _by_hand(placed)]
    return Outcome(data, text=_shown(found), said="\n".join(said))


def _by_hand(placed: Plan) -> Iterator[str]:
    """What nobody can write for a user whose name is not known."""
    library = placed.library
    table = library.config.services
    opened = library.machine.backend in ("rocm", "vulkan") and bool(library.machine.devices)
    if library.machine.os == "linux" and table.scope == "user" and opened and table.groups:
        yield f"`sudo usermod -aG {','.join(table.groups)} $USER`, then log in again"


def _row(item: HostFile) -> dict[str, object]:
    place = item.kind.place
    return {
        "name": item.kind.name,
        "path": str(place) if place.is_absolute() else None,
        "content": item.content.decode(),
        "effect": item.kind.effect,
    }


def _shown(found: Iterable[HostFile]) -> str:
    """The files as head(1) shows several."""
    return "\n".join(f"==> {item.kind.place} <==\n{item.content.decode()}" for item in found)


def carry_out(
    place: Place, prepared: HostSettings, wanted: Sequence[HostFile], *, dry_run: bool
) -> Outcome:
    """Show what would be done, or do it."""
    from llmgen.apply.write import refuse_conflicts
    from llmgen.operate.installation.host_files import perform, refuse_user

    refuse_conflicts(place, prepared.changes)
    commands = () if place.root != Path("/") else (*prepared.first, *prepared.then)
    data = {
        "root": str(place.root),
        "changes": rows(prepared.changes),
        "commands": [[*words] for words in commands],
        "effects": {str(path): effect for path, effect in prepared.effects},
        "stays": {str(path): what for path, what in prepared.stays},
    }
    told = [f"{path} counts {effect}" for path, effect in prepared.effects]
    told += [f"{path} leaves {what}" for path, what in prepared.stays]
    if dry_run:
        coming = {row["path"] for row in data_rows(prepared)}
        shown = [item for item in wanted if str(item.kind.place).lstrip("/") in coming]
        text = _planned(place, prepared, commands)
        return Outcome(data, text=f"{text}\n{_shown(shown)}" if shown else text,
                       said="\n".join(told))  # fmt: skip
    refuse_user(place, os.geteuid())
    failed: list[Diagnostic] = perform(place, prepared)
    text = _planned(place, prepared, commands)
    said = "\n".join([counts(prepared.changes), *told])
    return Outcome(data, text=text, said=said, diagnostics=tuple(failed))


def data_rows(prepared: HostSettings) -> list[dict[str, str]]:
    """The files that are written, as rows."""
    return [row for row in rows(prepared.changes) if row["action"] in ("create", "update")]


def _planned(place: Place, prepared: HostSettings, commands: Iterable[Sequence[str]]) -> str:
    lines = [f"{row['action']:8} {place.root / row['path']}" for row in rows(prepared.changes)]
    lines += [f"run      {shlex.join(words)}" for words in commands]
    return "".join(f"{line}\n" for line in lines) or "nothing to do\n"


def removal(root: str | None, ways: Ways) -> tuple[Place, HostSettings] | None:
    """What `uninstall` takes away as well; None where nothing is in place."""
    from llmgen.operate.installation.host_files import is_there, place_of, prepare

    place = place_of(root)
    return (place, prepare(place, (), ways)) if is_there(place) else None

"""``llmgen install``: put the configurations in place and restart what changed."""

from __future__ import annotations

from pathlib import Path

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.installing import Manner, below, carry_out, wanted_tree
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import plan, read
from llmgen.cli.writing import ways_out


@command(short_help="put the configurations in place")
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@click.option("-o", "--output", metavar="FILE", help="With --dry-run: keep the plan for --plan.")
@click.option("--plan", "saved", metavar="FILE", help="Do what a kept plan says, or nothing.")
@click.option("--no-restart", is_flag=True, help="Write files only; print what is left to run.")
@click.option("--root", metavar="DIR", help="Write below DIR instead of /; start nothing.")
@click.option("--cron", is_flag=True, help="No service manager: keep the stack up by crontab.")
@ways_out
def cli(
    session: Session,
    output: str | None,
    saved: str | None,
    root: str | None,
    overwrite: tuple[str, ...],
    *,
    dry_run: bool,
    no_restart: bool,
    cron: bool,
    adopt: bool,
    backup: bool,
) -> Outcome:
    """Install what `generate` renders for this machine, and start or restart what changed.

    Nothing is written while a file that llmgen did not write is in the way. Units of the system
    are installed by root; user units need no privileges.
    """
    from llmgen.apply.changes import Ways
    from llmgen.operate.crontab import keep_up, without_units
    from llmgen.operate.install import prepare, refuse_stale
    from llmgen.operate.install import saved as as_file
    from llmgen.operate.site import installed, refuse_elsewhere, site

    if output and not dry_run:
        raise click.UsageError("`-o` keeps the plan of a `--dry-run`")
    found = read(session)
    placed = plan(found)
    here = site(found.config, root)
    refuse_elsewhere(here, placed.library.machine.os)
    wanted = installed(wanted_tree(found, placed, session))
    if cron:
        wanted = without_units(wanted, here.folder)
    ways = Ways(adopt=adopt, overwrite=frozenset(map(below, overwrite)), backup=backup)
    prepared = prepare(here, wanted, ways)
    if saved:
        refuse_stale(prepared, Path(saved))
    if output:
        Path(output).write_bytes(as_file(prepared))
    done = carry_out(found, here, prepared, Manner("install", dry_run, not no_restart))
    if cron and not dry_run and not here.is_staged:
        keep_up(here.layout, [Path(name).absolute() for name in session.config])
    return done

"""``llmgen uninstall``: stop the services and remove what install wrote."""

from __future__ import annotations

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.installing import Manner, below, carry_out
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import read
from llmgen.cli.writing import ways_out


@command(short_help="stop the services and remove what install wrote")
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@click.option("--no-restart", is_flag=True, help="Remove files only; print what is left to run.")
@click.option("--root", metavar="DIR", help="Remove below DIR instead of /; stop nothing.")
@ways_out
def cli(
    session: Session,
    root: str | None,
    overwrite: tuple[str, ...],
    *,
    dry_run: bool,
    no_restart: bool,
    adopt: bool,
    backup: bool,
) -> Outcome:
    """Stop what `install` started and remove what it wrote; nothing else is touched.

    Generations stay, so that `rollback` can bring the stack back.
    """
    from llmgen.apply.changes import Ways
    from llmgen.operate.crontab import let_go
    from llmgen.operate.install import prepare
    from llmgen.operate.site import site

    found = read(session)
    here = site(found.config, root)
    ways = Ways(adopt=adopt, overwrite=frozenset(map(below, overwrite)), backup=backup)
    prepared = prepare(here, {}, ways)
    if not dry_run and not here.is_staged:
        let_go()
    return carry_out(found, here, prepared, Manner("uninstall", dry_run, not no_restart))

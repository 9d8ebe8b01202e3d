"""``llmgen rollback``: install an earlier generation again."""

from __future__ import annotations

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.installing import Manner, below, carry_out
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import read
from llmgen.cli.writing import ways_out


@command(short_help="install an earlier generation again")
@click.argument("number", type=int, required=False)
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@click.option("--no-restart", is_flag=True, help="Write files only; print what is left to run.")
@click.option("--root", metavar="DIR", help="Write below DIR instead of /; start nothing.")
@ways_out
def cli(
    session: Session,
    number: int | None,
    root: str | None,
    overwrite: tuple[str, ...],
    *,
    dry_run: bool,
    no_restart: bool,
    adopt: bool,
    backup: bool,
) -> Outcome:
    """Install generation NUMBER again, or the one before the newest.

    It is an install of an old tree: same checks, same conflicts, and it makes a new generation.
    llm.toml stays as it is, so the next `install` goes forward again.
    """
    from llmgen.apply.changes import Ways
    from llmgen.apply.generations import generation, tree
    from llmgen.operate.install import prepare
    from llmgen.operate.site import site

    found = read(session)
    here = site(found.config, root)
    old = generation(here.state, number)
    ways = Ways(adopt=adopt, overwrite=frozenset(map(below, overwrite)), backup=backup)
    prepared = prepare(here, tree(here.state, old), ways)
    reason = f"rollback to {old.number}"
    return carry_out(found, here, prepared, Manner(reason, dry_run, not no_restart))

"""``llmgen enable``: start services with the machine."""

from __future__ import annotations

import click

from llmgen.cli.asking import refuse_other_install
from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import read


@command(short_help="start services with the machine")
@click.argument("names", nargs=-1, metavar="[SERVICE]…")
@on_hosts(ShownRows("enabled"))
def cli(session: Session, names: tuple[str, ...]) -> Outcome:
    """Start the named services, or all of them, with the machine or at login, not now."""
    from llmgen.operate.installation.installed_stack import autostart, chosen
    from llmgen.operate.managers.by_cron import refuse_cron
    from llmgen.operate.site import site

    found = read(session)
    refuse_other_install(found)
    here = site(found.config)
    refuse_cron(here)
    units = chosen(here, names)
    autostart(here, units)
    listed = [unit.name for unit in units]
    return Outcome({"enabled": listed}, said=f"enabled: {', '.join(listed)}")

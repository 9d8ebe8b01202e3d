"""``llmgen disable``: start services only by hand."""

from __future__ import annotations

import click

from llmgen.cli.asking import refuse_other_install
from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import read


@command(short_help="start services only by hand")
@click.argument("names", nargs=-1, metavar="[SERVICE]…")
@on_hosts(ShownRows("disabled"))
def cli(session: Session, names: tuple[str, ...]) -> Outcome:
    """Start the named services, or all of them, only by hand; what runs goes on."""
    from llmgen.operate.installation.installed_stack import by_hand, chosen
    from llmgen.operate.managers.by_cron import refuse_cron
    from llmgen.operate.site import site

    found = read(session)
    refuse_other_install(found)
    here = site(found.config)
    refuse_cron(here)
    units = chosen(here, names)
    by_hand(here, units)
    listed = [unit.name for unit in units]
    return Outcome({"disabled": listed}, said=f"disabled: {', '.join(listed)}")

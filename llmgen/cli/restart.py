"""``llmgen restart``: restart services that install put in place."""

from __future__ import annotations

import click

from llmgen.cli.asking import refuse_other_install
from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import read
from llmgen.cli.up import CRON


@command(short_help="restart services")
@click.argument("names", nargs=-1, metavar="[SERVICE]…")
@on_hosts(ShownRows("restarted"))
def cli(session: Session, names: tuple[str, ...]) -> Outcome:
    """Restart the named services, or all of them."""
    from llmgen.operate.installation.installed_stack import chosen, restart
    from llmgen.operate.managers.by_cron import begin, end, is_by_cron
    from llmgen.operate.site import site

    found = read(session)
    refuse_other_install(found)
    here = site(found.config)
    if is_by_cron(here):
        end(here, names, stays=False)
        begin(here, names)
        return Outcome({"restarted": [CRON]}, said="restarted")
    units = chosen(here, names)
    restart(here, units)
    restarted = [unit.name for unit in units]
    return Outcome({"restarted": restarted}, said=f"restarted: {', '.join(restarted)}")

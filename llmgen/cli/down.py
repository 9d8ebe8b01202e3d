"""``llmgen down``: stop the services that install put in place, and no others."""

from __future__ import annotations

import click

from llmgen.cli.asking import refuse_other_install
from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import read
from llmgen.cli.up import CRON
from llmgen.errors import InputError


@command(short_help="stop the services")
@click.argument("names", nargs=-1, metavar="[SERVICE]…")
@on_hosts(ShownRows("stopped"))
def cli(session: Session, names: tuple[str, ...]) -> Outcome:
    """Stop what `up` started; at the next boot it starts again, but for containers of compose.

    Only units that llmgen installed are stopped, never programs by their name. What a killed
    `up --foreground` of this user left goes too.
    """
    from llmgen.operate.foreground.dead_runs import clear
    from llmgen.operate.foreground.run_folder import ALREADY_UP, only_one
    from llmgen.operate.installation.installed_stack import chosen, may_be_installed, stop
    from llmgen.operate.managers.by_cron import end, is_by_cron
    from llmgen.operate.site import site

    found = read(session)
    refuse_other_install(found)
    here = site(found.config)
    cleared = clear()
    if not may_be_installed(here):
        with only_one([source.name for source in found.sources]) as alone:
            if not alone:
                raise InputError(ALREADY_UP)
        if cleared and not names:
            return Outcome({"stopped": []}, diagnostics=cleared)
    if is_by_cron(here):
        said = "stopped" if end(here, names, stays=True) else "it is down already"
        return Outcome({"stopped": [CRON]}, said=said, diagnostics=cleared)
    units = chosen(here, names)
    stop(here, units)
    stopped = [unit.name for unit in units]
    said = f"stopped: {', '.join(stopped)}"
    return Outcome({"stopped": stopped}, said=said, diagnostics=cleared)

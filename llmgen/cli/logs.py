"""``llmgen logs``: what the services said, from the journal or from their log files."""

from __future__ import annotations

import click

from llmgen.cli.asking import refuse_other_engine, refuse_other_install
from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import read


@command(short_help="what the services said")
@click.argument("names", nargs=-1, metavar="[SERVICE]…")
@click.option("-n", "--lines", type=click.IntRange(min=1), default=100, help="How many lines.")
@click.option("-f", "--follow", is_flag=True, help="Wait for more, until ^C.")
@click.option("--model", metavar="NAME", help="An on-demand model's own lines, from llama-swap.")
def cli(
    session: Session, names: tuple[str, ...], lines: int, model: str | None, *, follow: bool
) -> Outcome:
    """Show the last lines of the named services, or of all of them."""
    from llmgen.operate.by_cron import is_by_cron, log_of
    from llmgen.operate.installed import chosen
    from llmgen.operate.logs import commands, of_model
    from llmgen.operate.programs import follow as watch
    from llmgen.operate.programs import must
    from llmgen.operate.site import site

    found = read(session)
    config = found.config
    if model:
        refuse_other_engine(found)
        text = of_model(config, model, lines)
        return Outcome({"lines": text.splitlines()}, text=text)
    refuse_other_install(found)
    here = site(config)
    words = (
        log_of(here, names, lines=lines, follow=follow)
        if is_by_cron(here)
        else commands(here, chosen(here, names), lines=lines, follow=follow)
    )
    if follow and not session.json:
        return Outcome(exit_code=watch(words))
    text = must(words)
    return Outcome({"lines": text.splitlines()}, text=text)

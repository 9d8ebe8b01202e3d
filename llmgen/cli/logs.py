"""``llmgen logs``: what the services said, from the journal or from their log files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from llmgen.cli.asking import refuse_other_engine, refuse_other_install
from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.on_cluster import on_cluster
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import Read, read

if TYPE_CHECKING:
    from llmgen.operate.installation.steps import Lines, Words


@command(short_help="what the services said")
@on_cluster("llmgen.cli.cluster_look:logs", takes=("names", "lines", "since", "follow"))
@click.argument("names", nargs=-1, metavar="[SERVICE]…")
@click.option("-n", "--lines", type=click.IntRange(min=1), help="How many lines; 100.")
@click.option(
    "--since",
    default="",
    metavar="TIME",
    help='Only since then, as journalctl reads it: "1 hour ago".',
)
@click.option("--boot", is_flag=True, help="Only since the machine started.")
@click.option("-f", "--follow", is_flag=True, help="Wait for more, until ^C.")
@click.option("--model", metavar="NAME", help="An on-demand model's own lines, from llama-swap.")
@on_hosts(ShownRows("lines", as_said=True), here_only=("follow",))
def cli(
    session: Session,
    names: tuple[str, ...],
    lines: int | None,
    model: str | None,
    since: str,
    *,
    boot: bool,
    follow: bool,
) -> Outcome:
    """Show the last lines of the named services, or of all of them.

    With --since or --boot all lines from then on, unless -n says how many.
    """
    from llmgen.operate.installation.logs import of_model
    from llmgen.operate.installation.steps import Lines
    from llmgen.operate.programs import follow as watch
    from llmgen.operate.programs import must

    found = read(session)
    config = found.config
    if model:
        refuse_other_engine(found)
        if since or boot:
            raise click.UsageError("llama-swap does not say when a line of a model was written")
        text = of_model(config, model, lines or 100)
        return Outcome({"lines": text.splitlines()}, text=text)
    wanted = Lines(lines or ("all" if since or boot else 100), follow, since, boot)
    words = _words(found, names, wanted)
    if follow and not session.json:
        return Outcome(exit_code=watch(words))
    text = must(words)
    return Outcome({"lines": text.splitlines()}, text=text)


def service_lines(found: Read, names: tuple[str, ...], lines: int) -> list[str]:
    """The last lines of services."""
    from llmgen.operate.installation.steps import Lines
    from llmgen.operate.programs import must

    return must(_words(found, names, Lines(lines, False, "", False))).splitlines()


def _words(found: Read, names: tuple[str, ...], wanted: Lines) -> Words:
    """The command that shows them."""
    from llmgen.operate.installation.installed_stack import chosen
    from llmgen.operate.installation.logs import commands, refuse_hidden, refuse_times
    from llmgen.operate.managers.by_cron import is_by_cron, log_of
    from llmgen.operate.site import site

    refuse_other_install(found)
    here = site(found.config)
    if is_by_cron(here):
        refuse_times(wanted)
        words = log_of(here, names, wanted)
    else:
        words = commands(here, chosen(here, names), wanted)
    refuse_hidden(words)
    return words

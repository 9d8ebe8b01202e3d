"""``llmgen install``: put the configurations in place and restart what changed."""

from __future__ import annotations

from pathlib import Path

import click

from llmgen.cli.asking import asking
from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.installing import (
    Manner,
    carry_out,
    manner,
    prepared_for,
    timer_notes,
    wanted_tree,
)
from llmgen.cli.on_cluster import FORCE_CONFLICTS, on_cluster
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.options import FileNameParam
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import plan, read
from llmgen.cli.ready import answering, wait_options
from llmgen.cli.writing import write_out
from llmgen.errors import InputError, Severity


@command(short_help="put the configurations in place")
@on_cluster(
    "llmgen.cli.cluster_install:install",
    takes=("dry_run", "adopt", "wait", "wait_timeout"),
    adds={"force_conflicts": FORCE_CONFLICTS},
)
@manner
@wait_options
@click.option(
    "-o",
    "--output",
    type=FileNameParam(),
    metavar="FILE",
    help="With --dry-run: keep the plan for --plan.",
)
@click.option(
    "--plan",
    "saved",
    type=FileNameParam(),
    metavar="FILE",
    help="Do what a kept plan says, or nothing.",
)
@click.option("--cron", is_flag=True, help="No service manager: keep the stack up by crontab.")
@on_hosts(
    ShownRows("changes", ("action", "path")),
    ShownRows("steps", ("when", "command")),
    minutes=60,
    here_only=("output", "saved", "root"),
    plan_first=True,
)
def cli(
    session: Session,
    *,
    output: str | None,
    saved: str | None,
    cron: bool,
    manner: Manner,
    wait: int | None,
) -> Outcome:
    """Install what `generate` renders for this machine, and start or restart what changed.

    Nothing is written while a file that llmgen did not write is in the way. Units of the system
    are installed by root; user units need no privileges.

    With [kubernetes] the objects are applied by `kubectl` to the cluster that --context or llm.toml
    names, and their pods are waited for; `--dry-run` is the server's own.
    """
    from functools import partial

    from msgspec.structs import replace

    from llmgen.operate.installation.checks import missing_programs, without_program
    from llmgen.operate.installation.install import refuse_other, refuse_stale
    from llmgen.operate.installation.install import saved as as_file
    from llmgen.operate.site import refuse_elsewhere, site
    from llmgen.operate.status.asking import replacing

    if output and not manner.dry_run:
        raise click.UsageError("`-o` keeps the plan of a `--dry-run`")
    if wait is not None and (cron or manner.dry_run or manner.root or not manner.restart):
        raise click.UsageError("`--wait` is for an install that starts services itself")
    found = read(session)
    placed = plan(found)
    here = site(found.config, manner.root)
    refuse_elsewhere(here, placed.library.machine.os)
    of_timer = timer_notes(found, here)
    tree = wanted_tree(found, placed, session)
    prepared, keep = prepared_for(found, here, tree, manner.ways, cron=cron)
    if saved:
        refuse_stale(prepared, Path(saved))
    if output:
        refuse_other(Path(output))
        write_out(output, as_file(prepared))
    missing = [*missing_programs(here, placed)]
    if missing and manner.restart and not manner.dry_run:
        noted = "`--no-restart` installs the files all the same"
        raise found.located(InputError([replace(item, notes=(noted,)) for item in missing]))
    who = asking(found)
    carry = partial(carry_out, found, here, prepared, manner, "install", stack=who.stack)
    warned = [replace(item, severity=Severity.WARNING) for item in missing]
    said = [*of_timer] if here.is_staged else [*replacing(who), *found.placed(warned)]
    if keep is None:
        done = carry()
        done = replace(done, diagnostics=(*said, *done.diagnostics))
        return done if wait is None else answering(found, done, wait)
    done = carry(keep=keep)
    return replace(done, diagnostics=(*said, *done.diagnostics, *without_program(here)))

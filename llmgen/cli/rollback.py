"""``llmgen rollback``: install an earlier generation again."""

from __future__ import annotations

import click

from llmgen.cli.asking import refuse_other_removal
from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.installing import Manner, carry_out, manner
from llmgen.cli.on_cluster import FORCE_CONFLICTS, WAIT, WAIT_TIMEOUT, on_cluster
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import read


@command(short_help="install an earlier generation again")
@on_cluster(
    "llmgen.cli.cluster_install:rollback",
    takes=("number", "dry_run", "adopt"),
    adds={"force_conflicts": FORCE_CONFLICTS, "wait": WAIT, "wait_timeout": WAIT_TIMEOUT},
)
@click.argument("number", type=int, required=False)
@manner
@on_hosts(
    ShownRows("changes", ("action", "path")),
    ShownRows("steps", ("when", "command")),
    minutes=60,
    here_only=("root",),
    plan_first=True,
)
def cli(session: Session, *, number: int | None, manner: Manner) -> Outcome:
    """Install generation NUMBER again, or the one before the newest.

    It is an install of an old tree: same checks, same conflicts, and it makes a new generation.
    llm.toml stays as it is, so the next `install` goes forward again.
    """
    from llmgen.apply.generations import generation, tree
    from llmgen.operate.installation.install import prepare
    from llmgen.operate.site import site

    found = read(session)
    here = site(found.config, manner.root)
    if not here.is_staged:
        refuse_other_removal(found)
    old = generation(here.state, number)
    prepared = prepare(here, tree(here.state, old), manner.ways)
    return carry_out(found, here, prepared, manner, f"rollback to {old.number}")

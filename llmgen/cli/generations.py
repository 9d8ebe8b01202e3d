"""``llmgen generations``: what was installed, and what can be gone back to."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.on_cluster import on_cluster
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.options import FileNameParam
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import read


@command(short_help="list what was installed")
@on_cluster("llmgen.cli.cluster_look:generations", takes=("keep",))
@click.option("--prune", "keep", type=click.IntRange(min=1), metavar="N", help="Keep only N.")
@click.option("--root", type=FileNameParam(), metavar="DIR", help="Of an installation below DIR.")
@on_hosts(ShownRows("generations", ("number", "installed", "files", "reason")), here_only=("root",))
def cli(session: Session, keep: int | None, root: str | None) -> Outcome:
    """List installed generations, the newest last; `llmgen rollback N` goes back to one."""
    from msgspec.structs import replace

    from llmgen.apply import generations
    from llmgen.errors import Severity
    from llmgen.operate.site import site

    state = site(read(session).config, root).state
    dropped = generations.prune(state, keep) if keep else []
    rows = [
        {
            "number": item.number,
            "installed": datetime.fromtimestamp(item.seconds, UTC).isoformat(),
            "reason": item.reason,
            "files": len(item.files),
        }
        for item in generations.generations(state)
    ]
    text = "".join(
        f"{row['number']:>4}  {row['installed']}  {row['files']:>3} files  {row['reason']}\n"
        for row in rows
    )
    said = f"dropped {', '.join(map(str, dropped))}" if dropped else ""
    if not rows:
        said = said or "nothing is installed; `llmgen install` makes the first generation"
    data = {"generations": rows, "dropped": dropped}
    bad = tuple(replace(item, severity=Severity.WARNING) for item in generations.damaged(state))
    return Outcome(data, text=text, said=said, diagnostics=bad)

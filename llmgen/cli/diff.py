"""``llmgen diff``: what generate would change, as a unified diff; exit 1 when it would."""

from __future__ import annotations

from pathlib import Path

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.on_cluster import on_cluster
from llmgen.cli.options import FileNameParam
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import OUTPUT, Read, read_whole
from llmgen.cli.rendering import rendered
from llmgen.cli.writing import known_targets, rows


@command(short_help="what generate would change")
@on_cluster("llmgen.cli.cluster_look:diff", takes=("output", "targets"))
@click.option("-o", "--output", type=FileNameParam(), metavar="DIR", help="Folder to compare with.")
@click.option("--target", "targets", multiple=True, metavar="NAME", help="Only this target.")
def cli(session: Session, output: str | None, targets: tuple[str, ...]) -> Outcome:
    """Show what `llmgen generate` would change, as a unified diff.

    Exits with 0 when nothing would change and with 1 when something would, as diff does.

    With [kubernetes] what `llmgen install` would change in the cluster; with -o, or where nobody
    names a context, in the folder.
    """
    return of_folder(session, read_whole(session), output, targets)


def of_folder(
    session: Session, found: Read, output: str | None, targets: tuple[str, ...]
) -> Outcome:
    """What generate would change in the folder of generated files."""
    from llmgen.apply.difference import difference
    from llmgen.apply.write import plan_changes

    targets = known_targets(targets)
    wanted, notes, owners = rendered(found, session, targets)
    root = Path(output) if output else found.folder / OUTPUT
    decided = plan_changes(wanted, root, only_targets=owners)
    text = difference(decided, root)
    changes = rows(decided)
    return Outcome(
        {"changes": changes, "diff": text},
        text=text,
        said="" if changes else f"{root} is what llm.toml says",
        ok=not changes,
        diagnostics=notes,
    )

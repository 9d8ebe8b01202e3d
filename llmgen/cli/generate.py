"""``llmgen generate``: render what is wanted and write what changed, never over foreign files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.options import FileNameParam
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import OUTPUT, read_whole
from llmgen.cli.rendering import rendered
from llmgen.cli.writing import counts, known_targets, rows, ways_out

if TYPE_CHECKING:
    from llmgen.artifacts import Tree
    from llmgen.errors import Diagnostic


@command(short_help="write every configuration")
@click.option(
    "-o",
    "--output",
    type=FileNameParam(),
    metavar="DIR",
    help="Folder to write to; `-` prints one file.",
)
@click.option("--target", "targets", multiple=True, metavar="NAME", help="Only this target.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when something would change.")
@ways_out
def cli(
    session: Session,
    output: str | None,
    targets: tuple[str, ...],
    overwrite: tuple[str, ...],
    *,
    check: bool,
    adopt: bool,
    backup: bool,
) -> Outcome:
    """Write every configuration below generated/, beside llm.toml.

    Only files that llmgen wrote, unchanged since, are replaced or deleted; anything else in the
    way is listed and nothing is written. With [hosts] each host has a folder of its own, with an
    llm.toml of that host alone.
    """
    from llmgen.apply.write import apply_changes, plan_changes

    targets = known_targets(targets)
    found = read_whole(session)
    wanted, notes, owners = rendered(found, session, targets)
    if output == "-":
        return _print(wanted, notes)
    root = Path(output) if output else found.folder / OUTPUT
    decided = plan_changes(
        wanted, root, adopt=adopt, overwrite=overwrite, backup=backup, only_targets=owners
    )
    data = {"output": str(root), "changes": rows(decided)}
    if check:
        said = "\n".join(f"{row['action']} {row['path']}" for row in rows(decided))
        return Outcome(data, said=said, ok=not rows(decided), diagnostics=notes)
    apply_changes(decided, root)
    return Outcome(data, said=counts(decided), diagnostics=notes)


def _print(wanted: Tree, notes: Sequence[Diagnostic]) -> Outcome:
    if len(wanted) != 1:
        names = ", ".join(str(item.path) for item in wanted)
        raise click.UsageError(
            f"`-o -` prints exactly one file, and these are {len(wanted)}: {names or 'none'}"
        )
    (only,) = wanted
    text = only.content.decode("utf-8")
    return Outcome({"path": str(only.path), "content": text}, text=text, diagnostics=tuple(notes))

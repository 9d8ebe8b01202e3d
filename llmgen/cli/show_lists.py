"""``llmgen show --files`` and ``--requirements``: what a stack installs, and what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmgen.cli.installing import wanted_tree
from llmgen.cli.outcome import Outcome

if TYPE_CHECKING:
    from llmgen.cli.boundary import Session
    from llmgen.cli.pipeline import Read
    from llmgen.plan.plan import Plan


def show_files(session: Session, found: Read, placed: Plan) -> Outcome:
    """Every rendered file: below generated/, and where install puts it."""
    from llmgen.cli.drawing import echo, table_of

    rows = [
        {
            "path": str(item.path),
            "target": item.target,
            "installed": str(item.install) if item.install else None,
            "mode": f"{item.mode:04o}",
            "size": len(item.content),
        }
        for item in wanted_tree(found, placed, session)
    ]

    def text() -> None:
        table = table_of("file", "target", "installed at", ">mode", ">bytes")
        for row in rows:
            place = str(row["installed"] or "-")
            cells = (str(row["path"]), str(row["target"]), place, str(row["mode"]))
            table.add_row(*cells, str(row["size"]))
        echo(table)

    return Outcome({"files": rows}, text=text)


def show_requirements(placed: Plan) -> Outcome:
    """What must be there before the stack can run."""
    from llmgen.cli.drawing import echo, table_of
    from llmgen.detect.probe import installers
    from llmgen.doctor.requirements import requirements

    rows = [*requirements(placed, installers())]

    def text() -> None:
        table = table_of("what", "which", "wanted", "how")
        for row in rows:
            table.add_row(row.kind, row.name, row.wanted, row.how)
        echo(table)

    return Outcome(
        {"requirements": rows}, text=text, said="`llmgen doctor` compares this machine with it"
    )

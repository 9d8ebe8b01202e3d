"""``llmgen check``: validate, resolve and plan; silence when all is well."""

from __future__ import annotations

from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import plan, read, tree


@command(short_help="validate and plan llm.toml")
def cli(session: Session) -> Outcome:
    """Validate llm.toml, join it with llm.lock, prove that the plan fits, and render every file.

    Whatever `generate` would refuse is refused here. Prints nothing when all is well; warnings and
    errors go to standard error.
    """
    found = read(session)
    placed = plan(found)
    tree(found, placed, session)
    return Outcome(
        {"models": len(placed.placements), "states": len(placed.states)},
        diagnostics=found.placed(placed.notes),
    )

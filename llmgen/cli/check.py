"""``llmgen check``: validate, resolve and plan; silence when all is well."""

from __future__ import annotations

from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import plan, read


@command(short_help="validate and plan llm.toml")
def cli(session: Session) -> Outcome:
    """Validate llm.toml, join it with llm.lock, and prove that the plan fits.

    Prints nothing when all is well; warnings and errors go to standard error.
    """
    found = read(session)
    placed = plan(found)
    return Outcome(
        {"models": len(placed.placements), "states": len(placed.states)},
        diagnostics=found.placed(placed.notes),
    )

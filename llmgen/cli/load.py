"""``llmgen load``: load on-demand models now, not at the first request."""

from __future__ import annotations

import click

from llmgen.cli.asking import refuse_other_engine
from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import known_plan, read


@command(short_help="load an on-demand model")
@click.argument("names", nargs=-1, required=True, metavar="MODEL…")
def cli(session: Session, names: tuple[str, ...]) -> Outcome:
    """Load models by name or alias, and wait until they are ready.

    What is in memory afterwards is the engine's decision: models that do not fit beside them go.
    """
    from llmgen.operate.engines.engine import engine
    from llmgen.operate.engines.names import loadable

    found_config = read(session)
    placed = known_plan(found_config)
    found = engine(placed.library.config)
    wanted = [loadable(placed.placements, name) for name in names]
    refuse_other_engine(found_config)
    for item in wanted:
        found.load(found.endpoint, item.name)
    loaded = [item.model for item in found.loaded(found.endpoint)]
    return Outcome({"loaded": loaded}, said=f"loaded: {', '.join(loaded)}")

"""``llmgen unload``: unload on-demand models, and look that they stay away."""

from __future__ import annotations

import click

from llmgen.cli.asking import refuse_other_engine
from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import known_plan, read


@command(short_help="unload on-demand models")
@click.argument("names", nargs=-1, metavar="[MODEL]…")
@click.option("--all", "everything", is_flag=True, help="Every model that the engine loaded.")
def cli(session: Session, names: tuple[str, ...], *, everything: bool) -> Outcome:
    """Unload models by name or alias; requests that they serve are cut.

    A model that was waiting for its turn can come up after an unload, so the list of loaded models
    is watched until it stays right.
    """
    from llmgen.operate.engines.engine import engine
    from llmgen.operate.engines.names import loadable

    if bool(names) == everything:
        raise click.UsageError("name models, or use `--all`")
    found_config = read(session)
    found = engine(found_config.config)
    placements = () if everything else known_plan(found_config).placements
    wanted = [loadable(placements, name).name for name in names]
    refuse_other_engine(found_config)
    for item in (None,) if everything else wanted:
        found.unload(found.endpoint, item)
    left = [item.model for item in found.loaded(found.endpoint)]
    said = f"still loaded: {', '.join(left)}" if left else "nothing is loaded"
    return Outcome({"loaded": left}, said=said)

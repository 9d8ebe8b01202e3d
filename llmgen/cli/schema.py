"""``llmgen schema``: the JSON Schema of llm.toml on standard output."""

from __future__ import annotations

from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome


@command(reads_config=False, short_help="the JSON Schema of llm.toml")
def cli(session: Session) -> Outcome:
    """Print the JSON Schema of llm.toml, which editors complete and check it by.

    Name it in the first line of llm.toml: `#:schema ./llm.schema.json`.
    """
    from llmgen.config.schema import schema, schema_text

    del session
    return Outcome(schema(), text=schema_text())

"""``llmgen init``: a commented llm.toml for the machine that it runs on."""

from __future__ import annotations

from difflib import get_close_matches

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.options import FileName
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import CONFIG
from llmgen.cli.writing import create_file


@command(reads_config=False, short_help="write a commented llm.toml")
@click.option("--profile", metavar="NAME", help="A built-in profile instead of what is detected.")
@click.option(
    "-o", "--output", type=FileName(), metavar="FILE", default=CONFIG, help="`-` prints it."
)
def cli(session: Session, profile: str | None, output: str) -> Outcome:
    """Write a commented llm.toml for the machine that this runs on.

    Memory, GPUs, llama-server's build and llama-swap's version are detected; nothing is changed,
    and no existing file is overwritten.
    """
    from llmgen.detect.model import document
    from llmgen.detect.probe import look

    del session
    text = document(look(), _known(profile))
    if output == "-":
        return Outcome({"path": None, "content": text}, text=text)
    create_file(output, text)
    return Outcome(
        {"path": output, "content": text}, said=f"wrote {output}; add models, then `llmgen lock`"
    )


def _known(profile: str | None) -> str:
    from llmgen.profiles import profiles

    if profile is not None and profile not in profiles():
        near = get_close_matches(profile, profiles(), 1)
        hint = f"; did you mean `{near[0]}`?" if near else f": {', '.join(profiles())}"
        raise click.UsageError(f"no profile `{profile}`{hint}")
    return profile or ""

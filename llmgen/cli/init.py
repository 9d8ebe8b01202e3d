"""``llmgen init``: a commented llm.toml for the machine that it runs on."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path, PurePath

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

    Memory, GPUs, llama-server's build and llama-swap's version are detected, and told, with the
    model files that are here and the programs that are not. The JSON Schema by which editors
    complete the file is written beside it. Nothing else is changed, and no file is overwritten.
    """
    from llmgen.config.schema import schema_text
    from llmgen.detect.model import SCHEMA, document
    from llmgen.detect.probe import installers, look
    from llmgen.detect.summary import summary

    del session
    seen = look()
    text = document(seen, _known(profile))
    if output == "-":
        return Outcome({"path": None, "content": text}, text=text)
    create_file(output, text)
    schema = Path(output).with_name(PurePath(SCHEMA).name)
    wrote = [output]
    if not schema.exists():
        create_file(str(schema), schema_text())
        wrote.append(f"{schema} for editors")
    models = _models()
    told = summary(seen, installers(), models)
    data = {"path": output, "content": text, "schema": str(schema), "models": models}
    return Outcome(data, said=f"wrote {', and '.join(wrote)}\n{told}")


def _models() -> list[str]:
    from llmgen.facts.stores import find_stores, scan

    home = Path.home()
    return [item.ref for item in scan(find_stores(home), home / "models")]


def _known(profile: str | None) -> str:
    from llmgen.profiles import profiles

    if profile is not None and profile not in profiles():
        near = get_close_matches(profile, profiles(), 1)
        hint = f"; did you mean `{near[0]}`?" if near else f": {', '.join(profiles())}"
        raise click.UsageError(f"no profile `{profile}`{hint}")
    return profile or ""

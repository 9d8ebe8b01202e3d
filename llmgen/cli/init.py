"""``llmgen init``: a commented llm.toml for the machine that it runs on."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.options import FileNameParam
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import CONFIG
from llmgen.cli.writing import create_file

if TYPE_CHECKING:
    from llmgen.detect.machine import FoundMachine


@command(reads_config=False, short_help="write a commented llm.toml")
@click.option("--profile", metavar="NAME", help="A built-in profile instead of what is detected.")
@click.option(
    "--example",
    metavar="NAME",
    is_flag=False,
    flag_value="",
    help="A whole stack to begin with; without NAME, list them.",
)
@click.option(
    "--interactive", is_flag=True, help="Ask which models, what for and for whom; on a terminal."
)
@click.option(
    "-o", "--output", type=FileNameParam(), metavar="FILE", default=CONFIG, help="`-` prints it."
)
def cli(
    session: Session, profile: str | None, example: str | None, output: str, *, interactive: bool
) -> Outcome:
    """Write a commented llm.toml for the machine that this runs on.

    Memory, GPUs, llama-server's build and llama-swap's version are detected, and told, with the
    model files that are here and the programs that are not. The JSON Schema by which editors
    complete the file is written beside it. Nothing else is changed, and no file is overwritten.

    With --example, it is a whole stack for the machine that its first lines name, with this user's
    home and this machine's programs.
    """
    from llmgen.detect.document import document
    from llmgen.detect.probe import look

    if interactive and example is not None:
        raise click.UsageError("`--example` answers every question; leave `--interactive` out")
    if example is not None:
        return _example(example, output, profile)
    text = document(seen := look(), _known(profile))
    return _asked(session, output, text, seen) if interactive else _written(output, text, seen)


def _asked(session: Session, output: str, text: str, seen: FoundMachine) -> Outcome:
    """The same with the tables of a person's answers."""
    from llmgen.cli.interview import interview, refuse_no_terminal
    from llmgen.cli.writing import refuse_there
    from llmgen.config.load import load
    from llmgen.config.source import parse
    from llmgen.detect.interview import with_answers
    from llmgen.detect.probe import installers
    from llmgen.detect.summary import machine

    refuse_no_terminal(json=session.json)
    # Before the first question, not after the last.
    refuse_there(output)
    tables, left = interview()
    whole = with_answers(text, tables)
    load([parse(output, whole)])
    return _written(output, whole, seen, "\n".join((*machine(seen, installers()), left)))


def _written(output: str, text: str, seen: FoundMachine, note: str = "") -> Outcome:
    """The file and its schema, and what is told of the machine; `-` prints the text alone."""
    from llmgen.config.schema import schema_text
    from llmgen.detect.document import SCHEMA
    from llmgen.detect.probe import installers
    from llmgen.detect.summary import summary

    if output == "-":
        return Outcome({"path": None, "content": text}, text=text)
    create_file(output, text)
    schema = Path(output).with_name(PurePath(SCHEMA).name)
    wrote = [output]
    if not schema.exists():
        create_file(str(schema), schema_text())
        wrote.append(f"{schema} for editors")
    models = _models()
    told = note or summary(seen, installers(), models)
    data = {"path": output, "content": text, "schema": str(schema), "models": models}
    return Outcome(data, said=f"wrote {', and '.join(wrote)}\n{told}")


def _example(name: str, output: str, profile: str | None) -> Outcome:
    """An example for this user, or the list of them."""
    from llmgen.detect.examples import example_for, examples
    from llmgen.detect.probe import look

    if profile is not None:
        raise click.UsageError("an example is for its own machine; `--profile` goes without it")
    known = examples()
    if not name:
        rows = [
            {"name": item.name, "for": item.profile, "what": item.summary}
            for item in known.values()
        ]
        return Outcome(
            {"examples": rows},
            text=lambda: _list(rows),
            said="`llmgen init --example NAME` writes one",
        )
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        raise click.UsageError(f"no example `{name}`{hint}; there are {', '.join(known)}")
    seen = look()
    chosen = known[name]
    note = f"a stack for `{chosen.profile}`; next: read it, then `llmgen lock` and `llmgen show`"
    return _written(output, example_for(chosen, seen), seen, note)


def _list(rows: list[dict[str, str]]) -> None:
    from llmgen.cli.drawing import echo, table_of

    table = table_of("example", "for", "what it is")
    for row in rows:
        table.add_row(*row.values())
    echo(table)


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

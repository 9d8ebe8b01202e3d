"""``llmgen schema``: what llm.toml may say, as a JSON Schema or as words about one key."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome

if TYPE_CHECKING:
    from llmgen.config.reference import ReferenceEntry


@command(reads_config=False, short_help="what llm.toml may say: a JSON Schema, or words on a KEY")
@click.argument("key", required=False)
def cli(session: Session, key: str | None) -> Outcome:
    """Say what a KEY of llm.toml takes and is for: `models.coder.ctx_size`, `gateway.envoy`, `.`.

    Without a KEY, print the JSON Schema of llm.toml, which editors complete and check it by. Name
    it in the first line of llm.toml: `#:schema ./llm.schema.json`.
    """
    from llmgen.config.reference import NoSuchKey, look_up
    from llmgen.config.schema import schema, schema_text

    del session
    if key is None:
        return Outcome(schema(), text=schema_text())
    try:
        found = look_up(schema(), _path(key))
    except NoSuchKey as missing:
        hint = f"; did you mean `{missing.near}`?" if missing.near else "; `llmgen schema .` lists"
        raise click.UsageError(f"llm.toml has no `{missing.path}`{hint}") from None
    return Outcome(found, text=lambda: _print(found))


def _path(key: str) -> list[str]:
    """The words of a key as TOML writes it; `.` is the whole file."""
    if key == ".":
        return []
    words: list[str] = []
    found: object = {}
    with suppress(tomllib.TOMLDecodeError):
        found = tomllib.loads(f"{key} = 0")
    while isinstance(found, dict):
        if len(found) != 1:
            raise click.UsageError(f"`{key}` is not a key of llm.toml")
        ((word, found),) = found.items()
        words.append(word)
    return words


def _print(found: ReferenceEntry) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    from llmgen.cli.drawing import echo

    if found.path:
        click.echo(f"{found.path}: {found.values}")
    if found.text:
        echo(found.text)
    if not found.keys:
        return
    table = Table(box=SIMPLE, show_header=False, pad_edge=False, show_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for place in found.keys:
        table.add_row(place.path.rpartition(".")[2], f"{place.text}\n{place.values}")
    echo(table)

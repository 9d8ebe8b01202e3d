"""What the commands' help says, for the manual pages and for the pages of docs/.

for page in commands(): page.name, page.usage, page.paragraphs, page.options, page.example
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from llmgen.cli import COMMANDS, GROUPS
from llmgen.cli.boundary import root
from llmgen.cli.examples import EXAMPLES


@dataclass(frozen=True)
class Page:
    """One command: its words, and the parts of its help."""

    words: tuple[str, ...]
    summary: str
    usage: str
    paragraphs: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    example: str = ""
    below: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The manual page's name."""
        return "-".join(("llmgen", *self.words))


def program() -> Page:
    """The page of llmgen itself."""
    return _page(root, _llmgen(), ())


def commands() -> Iterator[Page]:
    """Every command and those below it, in the order of the help."""
    for _, _, names in GROUPS:
        for name in names:
            context = _llmgen()
            found = root.get_command(context, name)
            if found is None:
                raise SystemExit(f"{name} is no command")
            yield from _pages(found, context, (name,))


def _llmgen() -> click.Context:
    return click.Context(root, info_name="llmgen", **root.context_settings)


def _pages(found: click.Command, above: click.Context, words: tuple[str, ...]) -> Iterator[Page]:
    context = click.Context(found, info_name=words[-1], parent=above)
    yield _page(found, context, words)
    if isinstance(found, click.Group):
        for name in found.list_commands(context):
            below = found.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _pages(below, context, (*words, name))


def _page(found: click.Command, context: click.Context, words: tuple[str, ...]) -> Page:
    usage = " ".join((context.command_path, *found.collect_usage_pieces(context)))
    told = found.help or ""
    summary = COMMANDS[words[0]][1] if len(words) == 1 else told.split("\n\n")[0]
    below: tuple[tuple[str, str], ...] = ()
    if isinstance(found, click.Group) and words:
        names = found.list_commands(context)
        below = tuple((name, _short(found.get_command(context, name))) for name in names)
    return Page(
        words,
        _one_line(summary).rstrip("."),
        usage,
        tuple(_one_line(part) for part in told.split("\n\n") if part.strip("\b \n")),
        tuple(_options(found, context)),
        EXAMPLES.get(words[0], "") if len(words) == 1 else "",
        below,
    )


def _options(found: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for item in found.get_params(context):
        record = item.get_help_record(context)
        if record is not None:
            yield record[0], _one_line(record[1])


def _short(found: click.Command | None) -> str:
    return found.get_short_help_str(200) if found else ""


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\b", "")).strip()

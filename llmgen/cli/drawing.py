"""Tables and lines on a terminal: as wide as it is, records where a table is wider than that."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from io import StringIO

import click
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table

from llmgen.cli.printable import printable

FIXED_WIDTH, LEAST_WIDTH = 100, 20
# Rows of a file that are still read, and those of a terminal with what else is told.
LONG, LEAST_ROWS = 100, 20
# Between two columns.
GAP = 2
# A space at which no line ends, as long as lines are being filled.
_TIED = "\N{NO-BREAK SPACE}"


def echo(*parts: RenderableType) -> None:
    """Print tables and lines as wide as the terminal, without spaces at the ends of lines.

    A table whose figures need more is printed as records: a line for each figure.
    """
    cells = width()
    drawn = StringIO()
    console = Console(
        file=drawn,
        width=max(cells, 1) if sys.stdout.isatty() else max(cells, *map(_least, _tables(parts)), 0),
        highlight=False,
        emoji=False,
        markup=False,
        force_terminal=coloured(),
        color_system="standard" if coloured() else None,
    )
    for part in parts:
        if isinstance(part, Table) and _least(part) > console.width:
            for line in _records(part, console.width):
                console.print(line, soft_wrap=True)
        else:
            console.print(part, soft_wrap=isinstance(part, str))
    for line in drawn.getvalue().splitlines():
        click.echo(printable(line.rstrip()))


def screenful() -> int:
    """Rows of a table that a person still reads: the terminal's, beside a few for the rest."""
    if not sys.stdout.isatty():
        return LONG
    return max(LEAST_ROWS, shutil.get_terminal_size().lines - LEAST_ROWS)


def command_lines(words: Sequence[str]) -> str:
    """A command as a shell reads it; on a terminal folded before options."""
    options: list[list[str]] = []
    for word in words:
        if not options or word.startswith("-"):
            options.append([])
        options[-1].append(word)
    return _folded(list(map(shlex.join, options)), " \\\n    ")


def paragraph(text: str, *, hang: int = 0) -> str:
    """One line folded at the terminal's width, further lines ``hang`` columns in; whole in a pipe.

    Words longer than the terminal, such as paths, stay whole.
    """
    if not sys.stdout.isatty():
        return text
    start = len(text) - len(text.lstrip())
    return textwrap.fill(
        text[start:],
        max(width(), hang + LEAST_WIDTH),
        initial_indent=text[:start],
        subsequent_indent=" " * (hang or start),
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )


def table_of(*columns: str) -> Table:
    """An empty table; a column whose name begins with ``>`` stands to the right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for index, column in enumerate(columns):
        right = column.startswith(">")
        table.add_column(
            column.lstrip(">"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=right or index < len(columns) - 1,
        )
    return table


def _folded(words: Sequence[str], joint: str) -> str:
    if not sys.stdout.isatty():
        return " ".join(words)
    lines = [""]
    for word in words:
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and len(longer) + len(joint) > width():
            lines.append(word)
        else:
            lines[-1] = longer
    return joint.join(lines)


def width() -> int:
    """Cells of a line: the terminal's, or what a reader of a file likes."""
    if not sys.stdout.isatty():
        return FIXED_WIDTH
    return max(shutil.get_terminal_size().columns, LEAST_WIDTH)


def coloured() -> bool:
    """Whether colours are wanted, by option, environment and terminal."""
    context = click.get_current_context(silent=True)
    wish = context.color if context else None
    if wish is None:
        return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return wish


def _tables(parts: Sequence[RenderableType]) -> Iterator[Table]:
    return (part for part in parts if isinstance(part, Table))


def _least(table: Table) -> int:
    """The width at which only a last column of text wraps, between words: figures stay whole."""
    widths = [
        max(map(cell_len, _pieces([str(column.header), *map(str, column.cells)], column.no_wrap)))
        for column in table.columns
    ]
    return sum(widths) + GAP * (len(widths) - 1)


def _pieces(cells: list[str], whole: bool) -> list[str]:
    split = str.splitlines if whole else str.split
    return ["", *(piece for cell in cells for piece in split(cell))]


def _records(table: Table, width: int) -> Iterator[str]:
    """The rows of a table one below the other: what is first as a title, then each figure named."""
    heads = [" ".join(str(column.header).split()) for column in table.columns]
    for number, row in enumerate(zip(*(column.cells for column in table.columns), strict=True)):
        first, *others = map(str, row)
        if number:
            yield ""
        yield first
        named = zip(heads[1:], others, strict=True)
        figures = "; ".join(_whole(f"{head} {cell}".strip()) for head, cell in named if cell)
        filled = textwrap.fill(
            figures,
            max(width, GAP * 2),
            initial_indent=" " * GAP,
            subsequent_indent=" " * GAP,
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield filled.replace(_TIED, " ")


def _whole(figure: str) -> str:
    """A figure with its name and unit, not to be parted where it is short."""
    return figure.replace(" ", _TIED) if len(figure) <= LEAST_WIDTH else figure

"""Rows of figures in columns: as many columns as the width holds, the least wanted leave first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from msgspec import Struct
from rich.cells import cell_len, set_cell_size
from rich.text import Text

GAP: Final = 2
# A first column is not narrower than this while another one can leave.
_LEAST: Final = 20
Row = TypeVar("Row")


class Column(Struct, Generic[Row], frozen=True):
    """A title, what stands below it, and how little it is wanted: 0 stays always."""

    title: str
    cell: Callable[[Row], str]
    rank: int = 0
    right: bool = False
    style: Callable[[Row], str] = lambda _: ""


def table(
    columns: Sequence[Column[Row]], rows: Sequence[Row], width: int, *, chosen: int = -1
) -> list[Text]:
    """A line of titles and one for each row, none wider than ``width``; one row may be chosen."""
    cells = [[column.cell(row) for column in columns] for row in rows]
    sizes = [
        max(map(cell_len, (column.title, *(line[at] for line in cells))))
        for at, column in enumerate(columns)
    ]
    kept = _kept(columns, sizes, width)
    sizes[0] = max(1, min(sizes[0], width - sum(sizes[at] + GAP for at in kept[1:])))
    head = _line([columns[at].title for at in kept], columns, kept, sizes, ["bold"] * len(kept))
    lines = [head]
    for number, row in enumerate(rows):
        styles = [columns[at].style(row) for at in kept]
        line = _line([cells[number][at] for at in kept], columns, kept, sizes, styles)
        if number == chosen:
            line.stylize("reverse")
        lines.append(line)
    for line in lines:
        line.truncate(max(width, 1), overflow="ellipsis")
    return lines


def _kept(columns: Sequence[Column[Row]], sizes: Sequence[int], width: int) -> list[int]:
    kept = [at for at, _ in enumerate(columns)]
    while kept[1:]:
        others = sum(sizes[at] + GAP for at in kept[1:])
        if others + min(sizes[0], _LEAST) <= width:
            break
        last = max(kept[1:], key=lambda at: (columns[at].rank, at))
        if not columns[last].rank:
            break
        kept.remove(last)
    return kept


def _line(
    texts: Sequence[str],
    columns: Sequence[Column[Row]],
    kept: Sequence[int],
    sizes: Sequence[int],
    styles: Sequence[str],
) -> Text:
    line = Text(no_wrap=True)
    for place, (text, at, style) in enumerate(zip(texts, kept, styles, strict=True)):
        size, is_last = sizes[at], place == len(kept) - 1
        if columns[at].right:
            text = " " * (size - cell_len(text)) + text  # noqa: PLW2901 - the same, in its place
        cut = text if cell_len(text) <= size else f"{set_cell_size(text, max(0, size - 1))}…"
        line.append(cut if is_last else set_cell_size(cut, size) + " " * GAP, style=style)
    return line

"""What the hosts of one llm.toml answered, as tables: a line for each host, and rows of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta, Struct

from llmgen.errors import Diagnostic

if TYPE_CHECKING:
    from rich.table import Table

    from llmgen.remote.fleet import OfHost


class ShownRows(Struct, frozen=True):
    """What of a command's data is in the table: a list of it, and these keys of its rows.

    Without keys the list has words; ``as_said``, lines that are shown as long as they are. Rows
    with ``usual`` are left out unless `--all` is given.
    """

    rows: str
    keys: tuple[str, ...] = ()
    title: str = ""
    as_said: bool = False
    usual: tuple[str, str] | None = None


class HostAnswer(Struct, frozen=True):
    """What a host's llmgen answered."""

    exit_code: Annotated[int, Meta(ge=0, le=255)]
    data: Any = None
    diagnostics: tuple[Diagnostic, ...] = ()


def show(
    shown: Sequence[ShownRows],
    answers: Sequence[OfHost[HostAnswer]],
    codes: Sequence[int],
    done: str,
) -> None:
    """A line for each host and, below, the command's own rows of all hosts."""
    from llmgen.cli.drawing import echo, table_of

    hosts = table_of("host", "answer")
    for item, code in zip(answers, codes, strict=True):
        reached = "" if item.value else "not done: "
        said = done if code == 0 else _ANSWERS.get(code, f"exit code {code}")
        hosts.add_row(item.host.name, reached + said)
    echo(hosts, *(part for item in shown for part in _below(item, answers)))


_ANSWERS: Final = {
    1: "no",
    2: "wrong usage",
    3: "llm.toml is invalid",
    4: "something is not there, or not reached",
    5: "the plan does not fit",
    6: "a file is not ours",
    70: "a bug in llmgen",
    130: "interrupted",
}


def _below(shown: ShownRows, answers: Sequence[OfHost[HostAnswer]]) -> Iterator[Table | str]:
    """What stands below the hosts, after an empty line."""
    if shown.as_said:
        widest = max((len(item.host.name) for item in answers), default=0)
        lines = [
            f"{item.host.name:{widest}}  {line}"
            for item in answers
            for line in _listed(shown, item)
        ]
        yield from ("", *lines) if lines else ()
    elif (table := _rows(shown, answers)) is not None:
        yield from ("", table)


def _listed(shown: ShownRows, item: OfHost[HostAnswer]) -> list[Any]:
    """The rows of one host; none where it did not answer in this way."""
    data = item.value.data if item.value else None
    listed = data.get(shown.rows) if isinstance(data, dict) else None
    return listed if isinstance(listed, list) else []


def _rows(shown: ShownRows, answers: Sequence[OfHost[HostAnswer]]) -> Table | None:
    """The rows of all hosts in one table; None when there is none."""
    from llmgen.cli.drawing import table_of

    columns = shown.keys or (shown.title or shown.rows,)
    table = table_of("host", *columns)
    for item in answers:
        for row in _listed(shown, item):
            if shown.usual and isinstance(row, dict) and row.get(shown.usual[0]) == shown.usual[1]:
                continue
            cells = [row.get(key) for key in shown.keys] if isinstance(row, dict) else [row]
            if len(cells) == len(columns):
                table.add_row(item.host.name, *map(_cell, cells))
    return table if table.row_count else None


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)

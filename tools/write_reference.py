"""Write docs/reference from the commands' help, the schema, the options and the profiles.

    python tools/write_reference.py [FOLDER]

`make reference` runs this.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from command_pages import Page, commands

from llmgen.cli import GROUPS
from llmgen.cli.boundary import root
from llmgen.config.reference import ANY, ReferenceEntry, look_up
from llmgen.config.schema import schema
from llmgen.config.tables.hosts import LAID_OVER
from llmgen.option_table import LATEST, OPTIONS, Option
from llmgen.profiles import profiles
from llmgen.units import GIB

FOLDER = Path(__file__).resolve().parents[1] / "docs/reference"
MADE = "<!-- Written by tools/write_reference.py; `make reference` writes it anew. -->"


def main(folder: Path = FOLDER) -> None:
    """Write every page."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "commands.md": command_lines(),
        "llm-toml.md": keys(),
        "server-options.md": options(),
        "profiles.md": machines(),
    }
    for name, lines in made.items():
        text = "\n".join((MADE, "", *lines))
        (folder / name).write_text(re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", "utf-8")


def command_lines() -> Iterator[str]:
    """Every command by the groups of the help."""
    yield from ("# Commands", "")
    yield "Every command has `--help`; the same text is a manual page, as in `man llmgen-fit`."
    yield from ("", f"{root.epilog}", "")
    found = {page.words: page for page in commands()}
    for heading, _, names in GROUPS:
        yield from (f"## {heading}", "")
        for words, page in found.items():
            if words[0] in names:
                yield from _command(page)


def _command(page: Page) -> Iterator[str]:
    depth = "#" * (2 + len(page.words))
    yield from (f"{depth} llmgen {' '.join(page.words)}", "", "```text", page.usage, "```", "")
    for paragraph in page.paragraphs:
        yield from (_words(paragraph), "")
    yield from _table(("option", ""), ((f"`{option}`", told) for option, told in page.options))
    if page.example:
        yield from ("Example:", "", "```text", page.example, "```", "")


def keys() -> Iterator[str]:
    """Every key of llm.toml by its table, as the schema has them."""
    yield from ("# llm.toml", "")
    yield "Every key, what it takes and what it is for. `llmgen schema KEY` says the same in the"
    yield "terminal, and an editor that reads `#:schema ./llm.schema.json` completes them."
    yield from ("", f"`{ANY}` stands for a name of yours.", "")
    yield from _keys(schema(), ())


def _keys(document: Mapping[str, object], path: tuple[str, ...]) -> Iterator[str]:
    place = look_up(document, path)
    if path:
        yield from (f"## {_title(path)}", "", _words(place.text), "")
    plain = [item for item in place.keys if item.path.rpartition(".")[2] != ANY]
    yield from _table(("key", "takes", "for"), map(_key, plain))
    for item in place.keys:
        below = (*path, item.path.rpartition(".")[2])
        # A table in a table of itself would have no end; a host's tables are those of the file.
        again = path == ("hosts", ANY) and below[-1] in (*LAID_OVER, "models")
        if not again and below.count(below[-1]) == 1 and look_up(document, below).keys:
            yield from _keys(document, below)


def _title(path: tuple[str, ...]) -> str:
    return f"[{'.'.join(path)}]"


def _key(place: ReferenceEntry) -> tuple[str, str, str]:
    return (f"`{place.path.rpartition('.')[2]}`", _words(place.values), _words(place.text))


def options() -> Iterator[str]:
    """Options of llama-server that llmgen knows by a key, or keeps for itself."""
    yield from ("# Options of llama-server", "")
    yield "A key has the long name of its option in snake_case. What no key is for goes through"
    yield "`extra_args`, unless llmgen sets it itself."
    yield from ("", "## By key", "")
    keyed = sorted((item for item in OPTIONS if item.key), key=lambda item: (item.key, item.flag))
    yield from _table(
        ("key", "option", "other spellings", "builds"),
        ((f"`{o.key}`", f"`{o.flag}`", _spelled(o), _builds(o)) for o in keyed),
    )
    yield from ("## Set by llmgen, or refused in `extra_args`", "")
    kept = sorted((item for item in OPTIONS if not item.key), key=lambda item: item.flag)
    yield from _table(("option", "other spellings"), ((f"`{o.flag}`", _spelled(o)) for o in kept))


def _spelled(option: Option) -> str:
    return ", ".join(f"`{word}`" for word in (*option.others, *option.negative))


def _builds(option: Option) -> str:
    since = f"from b{option.since}" if option.since else ""
    return f"{since} before b{option.until}".strip() if option.until < LATEST else since


def machines() -> Iterator[str]:
    """The built-in profiles."""
    yield from ("# Hardware profiles", "")
    yield "Each can be overridden key by key in `[hardware]`. Sources of the figures stand in"
    yield "`llmgen/data/profiles.toml`."
    yield ""
    rows = ((f"`{name}`", *_machine(table)) for name, table in sorted(profiles().items()))
    yield from _table(("profile", "backend", "memory", "reserve", "devices"), rows)


def _machine(table: Mapping[str, object]) -> tuple[str, str, str, str]:
    devices = [
        f"{_size(one['memory'])} {one.get('name', '')}".strip()
        for one in table.get("devices", ())  # type: ignore[attr-defined]
    ]
    return (
        str(table["backend"]),
        _size(table.get("memory", "yours")),
        _size(table.get("reserve", "")),
        ", ".join(devices) or "none",
    )


def _size(value: object) -> str:
    return f"{value / GIB:.1f} GiB" if isinstance(value, int) else str(value)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    listed = [tuple(cell.replace("|", r"\|") for cell in row) for row in rows]
    if listed:
        yield f"| {' | '.join(head)} |"
        yield f"| {' | '.join('---' for _ in head)} |"
        yield from (f"| {' | '.join(row)} |" for row in listed)
        yield ""


def _words(text: str) -> str:
    """Help as Markdown prints it: outside of code nothing is a tag or a link."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([<>\[\]*_])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

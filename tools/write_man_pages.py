"""Write the manual pages from the commands' help: man/llmgen.1, man/llmgen-fit.1 …

    python tools/write_man_pages.py [FOLDER]

`make reference` runs this; the wheel installs them below share/man/man1.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from command_pages import Page, commands, program

from llmgen.cli import COMMANDS, GROUPS
from llmgen.cli.boundary import root

FOLDER = Path(__file__).resolve().parents[1] / "man"


def main(folder: Path = FOLDER) -> None:
    """Write every page, and remove those of commands that there are no longer."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = [program(), *commands()]
    written = {f"{page.name}.1": text(page) for page in pages}
    for old in folder.glob("*.1"):
        if old.name not in written:
            old.unlink()
    for name, content in written.items():
        (folder / name).write_text(content, "utf-8")


def text(page: Page) -> str:
    """A page in man(7)'s macros; without a date or a version: it changes with its help alone."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    title = page.name.upper()
    yield f'.TH {quoted(title)} 1 "" "llmgen" "llmgen\'s manual"'
    summary = page.summary if page.words else "one typed llm.toml, every configuration"
    yield from (".SH NAME", escaped(f"{page.name} - ", dashes=False) + escaped(summary))
    command = " ".join(("llmgen", *page.words))
    rest = page.usage.removeprefix(command).strip()
    yield from (".SH SYNOPSIS", rf"\fB{escaped(command)}\fR {escaped(rest)}".rstrip())
    yield ".SH DESCRIPTION"
    for number, paragraph in enumerate(page.paragraphs):
        yield from ([".PP"] if number else [])
        yield escaped(paragraph)
    yield from _terms("OPTIONS", page.options)
    if not page.words:
        for heading, _, names in GROUPS:
            yield from _terms(heading.upper(), [(f"llmgen {n}", COMMANDS[n][1]) for n in names])
    yield from _terms("COMMANDS", [(f"{command} {name}", told) for name, told in page.below])
    if page.example:
        yield from (".SH EXAMPLE", ".EX", escaped(f"$ {page.example}"), ".EE")
    yield ".SH EXIT STATUS"
    yield escaped((root.epilog or "").removeprefix("Exit codes: "))
    yield ".SH SEE ALSO"
    names = [*_above(page), *_below(page)]
    yield ", ".join(rf"\fB{escaped(name)}\fR(1)" for name in names)


def _above(page: Page) -> list[str]:
    return ["-".join(("llmgen", *page.words[:count])) for count in range(len(page.words))]


def _below(page: Page) -> list[str]:
    if page.words:
        return [f"{page.name}-{name}" for name, _ in page.below]
    return [f"llmgen-{name}" for _, _, names in GROUPS for name in names]


def _terms(heading: str, terms: Iterable[tuple[str, str]]) -> Iterator[str]:
    listed = list(terms)
    if listed:
        yield f".SH {quoted(heading)}"
    for word, told in listed:
        yield from (".TP", rf"\fB{escaped(word)}\fR", escaped(told) or r"\&")


def escaped(line: str, *, dashes: bool = True) -> str:
    """Text as roff prints it: what would be an escape or a request is neither."""
    out = line.replace("\\", r"\e").replace("`", r"\(ga").replace("'", r"\(aq")
    out = out.replace("^", r"\(ha").replace("~", r"\(ti").replace("…", r"\&...")
    out = out.replace("-", r"\-") if dashes else out
    return rf"\&{out}" if out.startswith(".") else out


def quoted(word: str) -> str:
    """A word of a request."""
    return '"' + escaped(word).replace('"', r"\(dq") + '"'


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

"""What the pages of docs/ show: their `console` blocks, and what is said about each before it.

A block is run as it stands: `$ ` begins a command, `> ` goes on with it, all else is what it prints.
A comment above a block says what is unusual about it:

    <!-- not run: brew -->       cannot run where the tests do; the word is a key of NOT_HERE
    <!-- keeps running -->       goes on until the page's end; after `^C`: what it prints then
    <!-- exit code: 5 -->        of the block's last command
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"

# Why a block is not run by the tests; every such block names one of these.
NOT_HERE = {
    "apple": "runs on macOS alone",
    "apt": "installs packages as root",
    "brew": "Homebrew and its network",
    "cluster": "a Kubernetes cluster",
    "container": "pulls images of gigabytes",
    "device": "needs that machine's own devices",
    "nix": "nixpkgs and its network",
    "hosts": "machines that are reached by ssh",
    "pip": "a package registry and its network",
    "root": "changes the machine it runs on",
    "service": "a service manager that is booted",
    "vllm": "vLLM, which needs a GPU of its own",
}


@dataclass(frozen=True)
class Command:
    """One command line, and the lines that it prints."""

    line: str
    prints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A fenced `console` block of a page."""

    page: str
    number: int
    commands: tuple[Command, ...]
    not_run: str = ""
    keeps_running: bool = False
    code: int = 0

    def __str__(self):
        return f"{self.page}:{self.number}" + (f" ({self.not_run})" if self.not_run else "")


def pages():
    """The name of every page, below docs/."""
    return sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


def blocks(page, text=None):
    """The `console` blocks of a page, in its order."""
    lines = (DOCS.joinpath(page).read_text("utf-8") if text is None else text).splitlines()
    found, start = [], None
    for at, line in enumerate(lines):
        if start is None and re.match(r" *```console$", line):
            start = at
        elif start is not None and line.strip() == "```":
            indent = len(lines[start]) - len(lines[start].lstrip())
            inside = [one[indent:] for one in lines[start + 1 : at]]
            found.append(_block(page, start + 1, inside, lines[start - 1].strip()))
            start = None
    return found


def _block(page, number, lines, above):
    said = re.fullmatch(r"<!-- (.*?)(?:: (.*))? -->", above)
    name, value = said.groups() if said else ("", "")
    if name not in {"", "not run", "keeps running", "exit code"}:
        raise ValueError(f"{page}:{number}: nobody knows what `{name}` says of a block")
    return Block(
        page,
        number,
        tuple(_commands(lines)),
        not_run=value if name == "not run" else "",
        keeps_running=name == "keeps running",
        code=int(value) if name == "exit code" else 0,
    )


def _commands(lines):
    line, prints = None, []
    for text in lines:
        if text.startswith("$ "):
            if line is not None:
                yield Command(line, tuple(prints))
            line, prints = text[2:], []
        elif text.startswith("> ") and not prints:
            line = f"{line}\n{text[2:]}"
        else:
            prints.append(text)
    if line is None:
        raise ValueError("a console block without a command")
    yield Command(line, tuple(prints))

"""Write the options of a llama-server as llmgen ships them, from the text of its `--help`.

llama-server --help | python tools/write_server_options.py > llmgen/data/server_options.tsv
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

# A spelling: `-c`, `--ctx-size`, `--fim-qwen-1.5b-default`.
_SPELLING = re.compile(r"--?[A-Za-z][\w.-]*")
_VARIABLE = re.compile(r"\(env: (\w+)\)")
# Where the help's text begins, except after a line that has no room for it.
_COLUMN = 40


def main() -> None:
    """One line for each option: spellings, value, variable, whether it was removed."""
    for head, text in _options(sys.stdin.read()):
        spellings, value = _split(head)
        variable = _VARIABLE.search(text)
        removed = "removed" if "argument has been removed" in text else ""
        fields = (" ".join(_marked(spellings, value)), value, variable[1] if variable else "")
        print("\t".join((*fields, removed)).rstrip("\t"))


def _options(text: str) -> Iterator[tuple[str, str]]:
    """Head and text of each option."""
    head, told = "", ""
    for line in text.splitlines():
        if _SPELLING.match(line):
            if head:
                yield head, told
            # The head may reach into the text's column, and the text then begins below.
            inline = (
                line[: _COLUMN - 1].endswith("  ") or len(line[:_COLUMN].rstrip()) < _COLUMN - 2
            )
            head, told = (line[:_COLUMN], line[_COLUMN:]) if inline else (line, "")
        elif line.startswith(" "):
            told += f" {line.strip()}"
    if head:
        yield head, told


def _split(head: str) -> tuple[list[str], str]:
    spellings = []
    rest = head.strip()
    while found := re.match(rf"({_SPELLING.pattern})(,\s*|\s+|$)", rest):
        spellings.append(found[1])
        rest = rest[found.end() :]
    return spellings, rest


def _marked(spellings: list[str], value: str) -> Iterator[str]:
    """The spellings, those that switch off with a `!` before them: they follow the others."""
    switch, off = not value and not spellings[0].startswith("--no-"), False
    for spelling in spellings:
        off = off or (switch and _negates(spelling, spellings))
        yield f"!{spelling}" if off else spelling


def _negates(spelling: str, spellings: list[str]) -> bool:
    """`--no-x`, or the short form before it: `-nocb`, `-no-kvu`, `-nr`."""
    if spelling.startswith("--no-"):
        return True
    last = spellings[-1]
    short = not spelling.startswith("--") and spelling.startswith("-n")
    return short and last.startswith("--no-") and spelling != spellings[0]


if __name__ == "__main__":
    main()

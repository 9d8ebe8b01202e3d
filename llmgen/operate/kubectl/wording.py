"""kubectl's own words: those of each object, and what they tell without the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# What is told of one failure is no longer.
_LONGEST: Final = 600
_QUOTED: Final = re.compile(r"error when \w+ \"[^\"]*\":? ?")
# How it begins to tell of an object, and lines of its own log.
_BEGINS: Final = re.compile(
    r"Error from server|[Ee]rror: |Apply failed with |unable to recognize "
    r'|resource mapping not found|The [^ ]+ "[^"]*" is invalid|Error in configuration'
)
_LOGGED: Final = re.compile(r"[EWIF]\d{4} \d\d:|Warning: |WARNING: ")
_BLANK: Final = re.compile(
    r"^(?:Error from server \([^)]*\)|Error from server|error|Error in configuration): "
)


def blocks(errors: str) -> Iterator[str]:
    """What it says of each object: a line, and those that go on with it."""
    block: list[str] = []
    for line in errors.splitlines():
        if not line.strip() or _LOGGED.match(line):
            continue
        if block and _BEGINS.match(line):
            yield "\n".join(block)
            block = []
        block.append(line)
    if block:
        yield "\n".join(block)


def unquoted(said: str) -> str:
    """The words without what kubectl puts before what the server said."""
    return _QUOTED.sub("", _BLANK.sub("", said))


def bare(said: str) -> str:
    """The same on one line."""
    return flat(unquoted(said))


def flat(text: str) -> str:
    """The lines as one."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def short(text: str, most: int = _LONGEST) -> str:
    """The lines as one, which ends where it gets too long."""
    line = flat(text)
    return line if len(line) <= most else f"{line[:most]} …"

"""Text from elsewhere on its way to a terminal, which would obey some of its characters."""

from __future__ import annotations

import re
import sys
from io import TextIOWrapper
from typing import Final, TextIO

# Marks that turn the reading direction make a name look like another one.
_TURNING: Final = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# No encoding has halves of surrogate pairs; Python makes them of file names that are no UTF-8.
_HALVES: Final = r"\ud800-\udfff"
# Tabs and line ends stay, and what click.style writes: bold, eight colours, the end of both.
_OBEYED: Final = rf"(\x1b\[(?:0|1|3[0-7])m)|[\x00-\x08\x0b-\x1f\x7f-\x9f{_TURNING}{_HALVES}]"
# json escapes the controls below the space itself.
_LEFT_BY_JSON: Final = rf"[\x7f-\x9f{_TURNING}{_HALVES}]"


def printable(text: str) -> str:
    """The text with U+FFFD for every character that a terminal would obey."""
    # Most lines are plain, and compiling the expression costs a start a millisecond.
    if text.isprintable():
        return text
    return re.sub(_OBEYED, lambda found: found[1] or "\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str) -> str:
    """The same on one line."""
    return printable(" ".join(text.splitlines()))


def json_text(text: str) -> str:
    """A JSON document with those characters as escapes."""
    return re.sub(_LEFT_BY_JSON, lambda found: f"\\u{ord(found[0]):04x}", text)


def shown(text: str) -> str:
    """Printable on a terminal; unchanged where a file or a program reads it."""
    return printable(text) if sys.stdout.isatty() else text


def tolerant(stream: TextIO) -> None:
    """Let a stream write characters that its encoding lacks as escapes, instead of failing."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")

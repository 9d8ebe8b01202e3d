"""tomllib's complaints in words that say what to do."""

from __future__ import annotations

import re
from typing import Final

_QUOTES = 'text needs quotes: `"64K"`; `true` and `false` are written small'

# tomllib's message, what it means, what to do; in Python 3.11 to 3.14.
_WORDS: Final = (
    (r"Cannot declare \((.*?),?\) twice", "the table `{}` is declared twice", "make one of them"),
    (r"Cannot (?:overwrite|mutate|redefine).*", "this is set twice", "keep one of them"),
    (r"Duplicate inline table key (.*)", "`{}` is set twice", "keep one of them"),
    (r"Invalid value", "this is no TOML value", _QUOTES),
    (r"Expected newline or end of document.*", "something follows the value", _QUOTES),
    (r"Illegal character '\\n'", "a text does not end on its line", "close it with its quote"),
    (r"Illegal character (.*)", "the character `{}` cannot stand here", "remove it"),
    (r"Expected '=' after a key.*", "`=` is missing after the key", "`key = value`, on one line"),
    (r"Expected '(\]+)' at the end.*", "`{}` is missing", "`[table]` on a line of its own"),
    (r"Unclosed array", "a list is not closed", "close it with `]`"),
    (r"Unclosed inline table", "an inline table is not closed", "close it with `}`"),
    (r"Unterminated string|Expected \"?'.*", "a text is not closed", "close it with its quote"),
    (r"Unescaped '\\' in a string", "`\\` starts an escape", r"write `\\`, or use '…'"),
    (
        r"Invalid initial character for a key part",
        "a key is missing here",
        "letters, digits, `_` and `-`; no comma before the `}` of an inline table",
    ),
    (r"Invalid statement", "this is neither a key nor a table", "`key = value`, or `[table]`"),
    (r"Exceeds the limit .*", "this number has too many digits", "write a size as text: `64K`"),
    (r"Nested too deeply", "this is nested too deeply", "write a `[table]`"),
)


def explain(message: str) -> tuple[str, str]:
    """(what is wrong, what to do) for a message of tomllib's."""
    for pattern, wrong, hint in _WORDS:
        match = re.fullmatch(pattern, message)
        if match is not None:
            return wrong.replace("{}", _key(match[1]) if match.groups() else ""), hint
    return f"this is not TOML: {message[:1].lower()}{message[1:]}", "see https://toml.io"


def _key(text: str) -> str:
    """``'models', 'a'`` as ``models.a``."""
    return ".".join(part.strip("'\"") for part in text.split(", "))

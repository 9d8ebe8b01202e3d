"""What the comment beside a model's entry tells about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

# What fits into a list of models; more is a description.
_LONGEST_TITLE: Final = 60
_COMMENT = re.compile(r"^\s*#+\s?(.*?)\s*#*$")
# A line of a file that somebody switched off, or one that only draws.
_NO_WORDS = re.compile(r"^(?:[\w\"'./-]+\s*:(?:\s|$)|- |--|[-=*~#_ ]*$|yaml-language-server)")
_BEHIND = re.compile(r"^[^#]*:\s+#\s*(.+?)\s*$")


def told(lines: list[str], at: int, names: Iterable[str]) -> dict[str, Any]:
    """`title` or `description` from the comment above the line ``at`` (from 0) or behind it.

    A comment above may head several entries: it is taken where it names this one.
    """
    behind = _BEHIND.match(lines[at]) if at < len(lines) else None
    if behind and not _NO_WORDS.match(behind[1]):
        return _key(behind[1], names)
    above: list[str] = []
    for line in reversed(lines[:at]):
        found = _COMMENT.match(line)
        if found is None or _NO_WORDS.match(found[1]):
            break
        above.insert(0, found[1])
    text = " ".join(above)
    return _key(text, names) if _words(text) & _words(" ".join(names)) else {}


def beside(keys: Mapping[str, Any], comment: Mapping[str, Any]) -> dict[str, Any]:
    """The keys, and what a comment adds to them."""
    return {**{key: text for key, text in comment.items() if key not in keys}, **keys}


def _key(text: str, names: Iterable[str]) -> dict[str, Any]:
    # What llama-swap takes for a macro has no place in a text that it is given.
    text = " ".join(text.split()).rstrip(":")
    if not text or "${" in text:
        return {}
    named = bool(_words(text) & _words(" ".join(names)))
    return {"title" if named and len(text) <= _LONGEST_TITLE else "description": text}


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z0-9.]{3,}", text.lower()) if word != "model"}

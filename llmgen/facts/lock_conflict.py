"""A lock that Git could not merge: its two sides, and what both leave standing."""

from __future__ import annotations

import re
from typing import Final

# git-merge-file's markers: ours, the common ancestor (with `merge.conflictStyle = diff3`), theirs.
_MARKER: Final = re.compile(r"^(?P<sign><{7}|\|{7}|={7}|>{7})(?: .*)?$", re.MULTILINE)


def first_marker(text: str) -> int | None:
    """The line, counted from 1, on which a conflict begins; None where there is none."""
    found = re.search(r"^<{7}( |$)", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else None


def sides(text: str) -> tuple[str, str]:
    """The text as one side would have it, and as the other would."""
    ours: list[str] = []
    theirs: list[str] = []
    into: tuple[list[str], ...] = (ours, theirs)
    for line in text.splitlines(keepends=True):
        found = _MARKER.match(line.rstrip("\r\n"))
        match found["sign"][0] if found else "":
            case "<":
                into = (ours,)
            case "|":
                into = ()
            case "=":
                into = (theirs,)
            case ">":
                into = (ours, theirs)
            case _:
                for side in into:
                    side.append(line)
    return "".join(ours), "".join(theirs)

"""Changes as a unified diff, the way git and patch write it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

from llmgen.apply.changes import Action, Change, PathKind
from llmgen.config.tables.base import PLACEHOLDER

_SILENT = (Action.KEEP, Action.ADOPT, Action.FORGET)


def difference(decided: Iterable[Change], root: Path) -> str:
    """What applying the changes below ``root`` would alter; empty when nothing."""
    return "".join(
        piece for item in decided if item.action not in _SILENT for piece in _file(item, root)
    )


def _file(change: Change, root: Path) -> Iterator[str]:
    before = change.before
    old = _lines(_content(change, root))
    new = _lines(change.artifact.content if change.artifact else b"")
    names = (
        f"a/{change.path}" if before else "/dev/null",
        f"b/{change.path}" if change.artifact else "/dev/null",
    )
    if change.action is Action.CONFLICT:
        yield f"conflict: {change.path} {change.reason}\n"
        if change.artifact and PLACEHOLDER.encode() in change.artifact.content:
            # Whoever changed it may have written keys where their marks stood.
            yield f"{change.path} is not shown: it is where keys go\n"
            return
    if before and change.artifact and before.mode != change.artifact.mode:
        yield f"mode {before.mode:04o} -> {change.artifact.mode:04o}: {change.path}\n"
    if None in (old, new):
        yield f"Binary files {names[0]} and {names[1]} differ\n"
        return
    for line in difflib.unified_diff(old or [], new or [], *names):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _content(change: Change, root: Path) -> bytes:
    if change.before is None or change.before.kind is not PathKind.FILE:
        return b""
    return (root / change.path).read_bytes()


def _lines(content: bytes) -> list[str] | None:
    """Lines that end in LF alone; None for what is no text."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else [f"{line}\n" for line in text.split("\n")[:-1]] + _rest(text)


def _rest(text: str) -> list[str]:
    last = text.rpartition("\n")[2]
    return [last] if last else []

"""Decide what happens to each path: wanted, written and actual in, changes out; nothing is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TypeAlias

from msgspec import Struct

from llmgen.artifacts import Artifact


class PathKind(StrEnum):
    """What stands at a path."""

    FILE = "file"
    SYMLINK = "symlink"
    DIRECTORY = "directory"
    BLOCKED = "blocked"
    UNREADABLE = "unreadable"
    SPECIAL = "special file"


# A dataclass for its fields that do not count in comparisons.
@dataclass(frozen=True, slots=True)
class PathEntry:
    """What is at a path, without its bytes; only a ``FILE`` can ever be ours.

    ``signed`` says that llmgen's header stands at its top, ``detail`` what a blocked path meets.
    """

    digest: str
    mode: int
    kind: PathKind = PathKind.FILE
    signed: bool = field(default=False, compare=False)
    detail: str = field(default="", compare=False)


Snapshot: TypeAlias = Mapping[PurePosixPath, PathEntry]


class Owned(Struct, frozen=True):
    """What llmgen may have left at a path: more than one state after a crash."""

    states: frozenset[PathEntry]
    target: str = ""


Written: TypeAlias = Mapping[PurePosixPath, Owned]


class Action(StrEnum):
    """What happens to a path."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    KEEP = "keep"
    ADOPT = "adopt"
    FORGET = "forget"
    CONFLICT = "conflict"


class Change(Struct, frozen=True):
    """One path's fate; ``before`` is what the decision saw there."""

    action: Action
    path: PurePosixPath
    artifact: Artifact | None = None
    before: PathEntry | None = None
    reason: str = ""
    backup: bool = False
    target: str = ""


class Ways(Struct, frozen=True):
    """The ways out of a conflict that a person chose."""

    adopt: bool = False
    overwrite: frozenset[PurePosixPath] = frozenset()
    backup: bool = False


NO_WAYS = Ways()
NOT_OURS = "is in the way and llmgen did not write it"
EDITED = "was changed since llmgen wrote it"
STALE = "is no longer rendered, but was changed since llmgen wrote it"
_DETAIL = {
    PathKind.SYMLINK: "is a symlink, and llmgen writes only files",
    PathKind.DIRECTORY: "is a directory, and a file is wanted there",
    PathKind.UNREADABLE: "cannot be read, so nobody knows whose it is",
    PathKind.SPECIAL: "is no regular file",
}


def changes(
    wanted: Mapping[PurePosixPath, Artifact],
    written: Written,
    actual: Snapshot,
    ways: Ways = NO_WAYS,
) -> Iterator[Change]:
    """Compare wanted, written last and there now, path by path."""
    for path in sorted({*wanted, *written}):
        artifact = wanted.get(path)
        ours = written[path].states if path in written else frozenset()
        now = actual.get(path)
        if artifact is not None:
            yield _settled(_wanted(path, artifact, ours, now), ways)
        else:
            yield _settled(_stale(path, written[path], now), ways)


def entry(artifact: Artifact) -> PathEntry:
    """The artifact as it would stand on disk."""
    return PathEntry(artifact.digest, artifact.mode)


def conflicts(decided: list[Change]) -> list[Change]:
    """The changes that nobody may apply."""
    return [item for item in decided if item.action is Action.CONFLICT]


def is_same(decided: list[Change]) -> bool:
    """Whether nothing at all would change, the ledger included."""
    return all(item.action is Action.KEEP for item in decided)


def _wanted(
    path: PurePosixPath, artifact: Artifact, ours: frozenset[PathEntry], now: PathEntry | None
) -> Change:
    def decide(action: Action, reason: str = "") -> Change:
        return Change(action, path, artifact, now, reason, target=artifact.target)

    if now is None:
        return decide(Action.CREATE)
    if now == entry(artifact):
        return decide(Action.KEEP if ours else Action.ADOPT)
    if now in ours:
        return decide(Action.UPDATE)
    return decide(Action.CONFLICT, _why(now, EDITED if ours else NOT_OURS))


def _stale(path: PurePosixPath, owned: Owned, now: PathEntry | None) -> Change:
    if now is None:
        return Change(Action.FORGET, path, target=owned.target)
    if now in owned.states:
        return Change(Action.DELETE, path, None, now, target=owned.target)
    return Change(Action.CONFLICT, path, None, now, _why(now, STALE), target=owned.target)


def _why(now: PathEntry, otherwise: str) -> str:
    if now.kind is PathKind.BLOCKED:
        return f"cannot be there: {now.detail}"
    return _DETAIL.get(now.kind, otherwise)


def can_adopt(change: Change) -> bool:
    """Whether `--adopt` takes the file over: llmgen's header says that it was written by it."""
    now = change.before
    return now is not None and now.signed and change.reason == NOT_OURS


def _settled(change: Change, ways: Ways) -> Change:
    """Turn a conflict into the change that a person asked for, where that is possible."""
    now = change.before
    if change.action is not Action.CONFLICT or now is None:
        return change
    if now.kind in (PathKind.DIRECTORY, PathKind.BLOCKED):
        return change
    signed = ways.adopt and can_adopt(change)
    if not (signed or ways.backup or change.path in ways.overwrite):
        return change
    action = Action.UPDATE if change.artifact else Action.DELETE
    backup = ways.backup and not signed
    return Change(action, change.path, change.artifact, now, change.reason, backup, change.target)

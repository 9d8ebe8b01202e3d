"""What is on disk, as entries: a symlink or a directory in a file's place is seen as what it is."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from msgspec import Struct

from llmgen.apply.changes import PathEntry, PathKind
from llmgen.render.header import OWNER

# The header is the first line, or the second below an XML declaration or a DOCTYPE.
_TOP_BYTES = 1024
_CHUNK = 2**20


class Place(Struct, frozen=True):
    """Where trees are written: a root folder, and the ledger that says what is ours in it.

    In a git checkout only the executable bit of a mode survives, so ``exact_modes`` is off there;
    ``links`` allows symlinked folders on the way (``/etc`` on macOS, a dotfiles folder).
    ``durable`` writes outlive a power cut; what llm.toml can make again need not. ``prunes``:
    folders that are empty once their files have gone go as well.
    """

    root: Path
    ledger: Path
    ledger_mode: int = 0o644
    exact_modes: bool = False
    links: bool = False
    durable: bool = True
    prunes: bool = True

    @property
    def journal(self) -> Path:
        """The journal of an interrupted write, beside the ledger."""
        return self.ledger.with_name(f"{self.ledger.name}.journal")


def snapshot(place: Place, paths: Iterable[PurePosixPath]) -> dict[PurePosixPath, PathEntry]:
    """The entries of ``paths`` below the root; what is not there is left out."""
    found = ((path, look(place, path)) for path in paths)
    return {path: entry for path, entry in found if entry is not None}


def look(place: Place, path: PurePosixPath) -> PathEntry | None:
    """What stands at one path; None when nothing does."""
    blocked = _blocked(place, path)
    if blocked:
        return PathEntry("", 0, PathKind.BLOCKED, detail=blocked)
    try:
        status = (place.root / path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        return PathEntry("", 0, PathKind.UNREADABLE)
    if stat.S_ISLNK(status.st_mode):
        return PathEntry("", 0, PathKind.SYMLINK)
    if stat.S_ISDIR(status.st_mode):
        return PathEntry("", 0, PathKind.DIRECTORY)
    if not stat.S_ISREG(status.st_mode):
        return PathEntry("", 0, PathKind.SPECIAL)
    return _file(place, place.root / path, status.st_mode)


def _blocked(place: Place, path: PurePosixPath) -> str:
    for parent in reversed(path.parents[:-1]):
        at = place.root / parent
        if at.is_symlink() and not place.links:
            return f"`{parent}` is a symlink"
        if at.exists() and not at.is_dir():
            return f"`{parent}` is not a folder"
    return ""


def _file(place: Place, path: Path, mode: int) -> PathEntry:
    try:
        digest, top = _read(path)
    except PermissionError:
        return PathEntry("", 0, PathKind.UNREADABLE)
    kept = stat.S_IMODE(mode) if place.exact_modes else 0o755 if mode & 0o100 else 0o644
    return PathEntry(digest, kept, signed=OWNER.encode() in top)


def _read(path: Path) -> tuple[str, bytes]:
    total, top = hashlib.sha256(), b""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            top = top or chunk[:_TOP_BYTES]
            total.update(chunk)
    return total.hexdigest(), top

"""What is said when the system refuses a file: the place, its reason, and what mends it."""

from __future__ import annotations

import errno
from pathlib import PurePath

from llmgen.errors import Diagnostic

UNREADABLE = "apply.unreadable"
_ROOM = "make room there, then run the command again"
_CLOSED = "change its owner, write elsewhere, or run llmgen as its owner"
_TAKEN = "move away what has its name, or write elsewhere"
_HINTS = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: "write elsewhere, or mount that file system writable",
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.ENOENT: "write into a folder that is there; /proc and /sys take no files",
    errno.EEXIST: _TAKEN,
    errno.ENOTDIR: _TAKEN,
    errno.EISDIR: _TAKEN,
    errno.ENAMETOOLONG: "choose a shorter path",
}


def cannot_write(
    path: PurePath | str, error: OSError, code: str = "apply.cannot-write"
) -> Diagnostic:
    """The diagnostic of a write that failed; the error's own file is named when it has one."""
    return Diagnostic(
        code,
        f"`{error.filename or path}` cannot be written: {error.strerror or error}",
        hint=_HINTS.get(error.errno or 0, "put that right, then run the command again"),
    )


def cannot_read(path: PurePath, error: OSError) -> Diagnostic:
    """The diagnostic of something that llmgen keeps, and that this user cannot read."""
    return Diagnostic(
        UNREADABLE,
        f"`{path}` cannot be read: {error.strerror or error}",
        hint="what is installed is its owner's to see: run llmgen as that user (services of the "
        "system: `sudo llmgen`)",
    )

"""Whether a user can read a file, from the permission bits on the way to it; nothing is opened."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Collection
from pathlib import Path

from msgspec import Struct


class UserIdentity(Struct, frozen=True):
    """A user as the kernel sees one."""

    uid: int
    gids: frozenset[int]


def identity(user: str, groups: Collection[str] = ()) -> UserIdentity | None:
    """The user with its groups and those that a unit adds; None when there is no such user."""
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        return None
    added = {grp.getgrnam(name).gr_gid for name in groups if _is_group(name)}
    return UserIdentity(found.pw_uid, frozenset(os.getgrouplist(user, found.pw_gid)) | added)


def closed_to(who: UserIdentity, path: Path) -> str:
    """What keeps ``who`` out of the file, in words; empty when nothing does."""
    found = closing(who, path)
    if found is None:
        return ""
    return "the file is closed" if found == path else f"the folder `{found}` is closed"


def closing(who: UserIdentity, path: Path) -> Path | None:
    """The first thing on the way to ``path`` that keeps ``who`` out; None when nothing does.

    Access lists beyond the mode bits are not read.
    """
    if who.uid == 0:
        return None
    for folder in reversed(path.parents):
        if not _allows(folder.stat(), who, stat.S_IXUSR):
            return folder
    return None if _allows(path.stat(), who, stat.S_IRUSR) else path


def _allows(found: os.stat_result, who: UserIdentity, bit: int) -> bool:
    if found.st_uid == who.uid:
        return bool(found.st_mode & bit)
    if found.st_gid in who.gids:
        return bool(found.st_mode & bit >> 3)
    return bool(found.st_mode & bit >> 6)


def _is_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True

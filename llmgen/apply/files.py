"""The operations on files: atomic write, removal, rename, and folders that come and go."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from llmgen.apply.failure import cannot_write
from llmgen.errors import Diagnostic, InputError

FOLDER_MODE = 0o755


def temporary(path: Path) -> Path:
    """Where the new content of ``path`` grows before it takes its place."""
    return path.with_name(f".{path.name}.llmgen-new")


def write_file(path: Path, content: bytes, mode: int, *, durable: bool = True) -> None:
    """Put ``content`` at ``path`` whole or not at all, with exactly this mode.

    ``durable``: it is on the disk when this returns, and so outlives a power cut.
    """
    new = temporary(path)
    # O_EXCL: whatever stands there already is not ours, and a planted symlink is not followed.
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        error.filename = str(path)
        raise
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            if durable:
                os.fsync(stream.fileno())
        os.replace(new, path)  # noqa: PTH105 - the operation that this module is about
    except OSError as error:
        # A full disk does not say which file it was that did not fit.
        error.filename = str(path)
        with suppress(OSError):
            new.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def remove_file(path: Path, *, durable: bool = True) -> None:
    """Remove a file that may be gone already."""
    with suppress(FileNotFoundError):
        path.unlink()
        if durable:
            sync_folder(path.parent)


def set_aside(path: Path) -> Path:
    """Rename ``path`` to ``NAME.before-llmgen``, with a number behind it when that is taken."""
    for number in range(1, 1000):
        suffix = "" if number == 1 else f".{number}"
        aside = path.with_name(f"{path.name}.before-llmgen{suffix}")
        if not os.path.lexists(aside):
            path.rename(aside)
            sync_folder(path.parent)
            return aside
    raise FileExistsError(f"{path}.before-llmgen")


def make_folder(path: Path, mode: int = FOLDER_MODE, *, durable: bool = True) -> None:
    """Make ``path`` and what is missing above it, with this mode whatever the umask."""
    if path.is_dir():
        return
    make_folder(path.parent, mode, durable=durable)
    path.mkdir(exist_ok=True)
    path.chmod(mode)
    if durable:
        sync_folder(path.parent)


def prune_folders(folder: Path, root: Path) -> None:
    """Remove ``folder`` and its parents below ``root`` as far as they are empty."""
    while folder != root and folder.is_relative_to(root):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the folder for one writer; a second one waits, or gets a BlockingIOError.

    The lock is on the folder itself, so no lock file is left in it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def refuse_no_folder(root: Path) -> None:
    """InputError when something else than a folder stands at ``root`` or on the way to it."""
    found = _nearest(root / "file")
    if not found.is_dir():
        raise InputError(_no_folder(found))


def refuse_unwritable(paths: list[Path], hint: str = "") -> None:
    """InputError naming every folder that could not be written, before anything is.

    ``hint`` says what helps where the owner is known to be another one.
    """
    found = {str(item): item for item in map(_nearest, paths)}
    refused: dict[Path, Diagnostic] = {}
    for _, item in sorted(found.items()):
        closed = _closed(item, hint)
        # What lies in a closed folder has the same owner as a rule, and one line says it.
        if closed is not None and not any(item.is_relative_to(outer) for outer in refused):
            refused[item] = closed
    if refused:
        raise InputError([*refused.values()])


def _nearest(path: Path) -> Path:
    """The folder that ``path`` is in, or what is there of the way to it."""
    folder = path.parent
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder


def _closed(folder: Path, hint: str) -> Diagnostic | None:
    if not folder.is_dir():
        return _no_folder(folder)
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return cannot_write(folder, OSError(errno.EROFS, os.strerror(errno.EROFS)))
    return Diagnostic(
        "apply.unwritable",
        f"`{folder}` cannot be written by this user",
        hint=hint or "change its owner, write elsewhere, or run llmgen as its owner",
    )


def _no_folder(path: Path) -> Diagnostic:
    return Diagnostic(
        "apply.not-a-folder",
        f"`{path}` is in the way: it is not a folder",
        hint="name another folder (`-o DIR`, `--root DIR`), or move it away",
    )

"""A stack that leaves nothing behind: its files lie in a folder of their own while it runs."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from llmgen.apply.failure import cannot_write
from llmgen.artifacts import Artifact
from llmgen.config.config import Config
from llmgen.errors import Diagnostic, InputError

ALREADY_UP = Diagnostic(
    "operate.already-up",
    "the stack runs in the foreground already",
    hint="end it there with ^C; `up --foreground --if-down` is silent about it",
)
PREFIX, OWNER = "llmgen-up-", "owner.lock"


@contextmanager
def folder() -> Iterator[Path]:
    """A private folder for configuration, state and secrets, removed at the end.

    It is locked while its owner lives. The kernel drops the lock with the owner, whatever ends
    it, so an unlocked folder is one of a dead run, and no process id can be mistaken for another.
    """
    try:
        path, held = _made()
    except OSError as error:
        raise InputError(_no_room(PREFIX, error)) from error
    try:
        os.write(held, str(os.getpid()).encode())
        yield path
    finally:
        # What cannot be removed now is found by the next run.
        shutil.rmtree(path, ignore_errors=True)
        os.close(held)


def dead() -> Iterator[Path]:
    """The folders of this user's runs that were killed; each is held while the caller has it."""
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        held = _hold(path)
        if held is not None:
            try:
                yield path
            finally:
                os.close(held)


def alive(configs: Sequence[str]) -> Iterator[Path]:
    """The folder of the foreground stack with these llm.toml, when there is one."""
    process = holder(configs)
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")) if process else ():
        held = _hold(path)
        if held is not None:
            os.close(held)
        elif _owner(path) == str(process):
            yield path


def _owner(path: Path) -> str:
    """The process that a folder of this user says it is of."""
    try:
        is_own = not path.is_symlink() and path.stat().st_uid == os.getuid()
        return (path / OWNER).read_text("utf-8") if is_own else ""
    except OSError:
        return ""


def _made() -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        held = _hold(path, os.O_CREAT | os.O_EXCL)
        if held is None:
            # Another run took it for a dead one before it was locked, and removes it.
            continue
        if path.exists():
            return path, held
        os.close(held)


def _hold(path: Path, more: int = 0) -> int | None:
    """A descriptor that locks the folder; None when it is not ours, has no lock, or is in use.

    The lock is a file in it: a folder without one is another program's, or an older llmgen's.
    """
    try:
        if path.is_symlink() or path.stat().st_uid != os.getuid():
            return None
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | more
        descriptor = os.open(path / OWNER, flags, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def moved(config: Config, root: Path) -> Config:
    """The same llm.toml with everything that is written below ``root``, and no containers."""
    own = {name: str(root / name) for name in ("config", "state", "runtime")}
    services = config.services.model_copy(update={"runtime": "native"})
    paths = config.paths.model_copy(update=own)
    return config.model_copy(update={"paths": paths, "services": services})


def put(artifacts: Iterable[Artifact], root: Path) -> None:
    """Write what would be installed below ``root``; units have no place there."""
    try:
        for name in ("config", "state", "runtime"):
            (root / name).mkdir(mode=0o700)
        for item in artifacts:
            if item.install is not None and Path(item.install).is_relative_to(root):
                path = Path(item.install)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(item.content)
                path.chmod(item.mode)
    except OSError as error:
        raise InputError(_no_room(root, error)) from error


@contextmanager
def only_one(configs: Sequence[str]) -> Iterator[bool]:
    """Whether no other foreground stack of this user has these llm.toml; True holds the place.

    Whoever holds it has written the number of its process there, and takes the file away.
    """
    path = _place(configs)
    try:
        held = _taken(path)
    except OSError as error:
        raise InputError(_no_room(path, error)) from error
    if held is None:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(held)


def holder(configs: Sequence[str]) -> int:
    """The process of the foreground stack with these llm.toml; 0 when there is none."""
    path = _place(configs)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, 20)
        return int(text) if text.isdigit() else 0
    finally:
        os.close(descriptor)
    return 0


def _place(configs: Sequence[str]) -> Path:
    name = hashlib.sha256("\n".join(str(Path(item).resolve()) for item in configs).encode())
    return Path(tempfile.gettempdir(), f"llmgen-{os.getuid()}-{name.hexdigest()[:16]}.lock")


def _taken(path: Path) -> int | None:
    """A descriptor that holds the file, with this process in it; None when another one does."""
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            if os.fstat(descriptor).st_uid != os.getuid():
                # Whoever made it could say for ever that the stack is up.
                raise PermissionError(errno.EPERM, "it belongs to another user")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, str(os.getpid()).encode())
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise
        # Its holder took the file away between the two: it is another one now.
        os.close(descriptor)


def _no_room(path: Path | str, error: OSError) -> Diagnostic:
    hint = "$TMPDIR names another folder for what is temporary"
    return replace(cannot_write(path, error), hint=hint)

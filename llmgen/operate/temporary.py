"""A stack that leaves nothing behind: its files lie in a folder of their own while it runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from llmgen.artifacts import Artifact
from llmgen.config.model import Config
from llmgen.errors import Diagnostic, InputError


@contextmanager
def folder() -> Iterator[Path]:
    """A private folder for configuration, state and secrets, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="llmgen-up-") as name:
        yield Path(name)


def moved(config: Config, root: Path) -> Config:
    """The same llm.toml with everything that is written below ``root``."""
    own = {name: str(root / name) for name in ("config", "state", "runtime")}
    return config.model_copy(update={"paths": config.paths.model_copy(update=own)})


def put(artifacts: Iterable[Artifact], root: Path) -> None:
    """Write what would be installed below ``root``; units have no place there."""
    for name in ("config", "state", "runtime"):
        (root / name).mkdir(mode=0o700)
    for item in artifacts:
        if item.install is None or not Path(item.install).is_relative_to(root):
            continue
        path = Path(item.install)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item.content)
        path.chmod(item.mode)


@contextmanager
def only_one(configs: Sequence[str]) -> Iterator[bool]:
    """Whether no other foreground stack of this user has these llm.toml; True holds the place."""
    name = hashlib.sha256("\n".join(str(Path(item).resolve()) for item in configs).encode())
    path = Path(tempfile.gettempdir(), f"llmgen-{os.getuid()}-{name.hexdigest()[:16]}.lock")
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise InputError(
            Diagnostic("apply.cannot-write", f"`{path}` cannot be written: {error.strerror}")
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)

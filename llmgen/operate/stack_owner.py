"""Which llm.toml a stack is of: what an installation noted, and how a stack names itself."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from llmgen.apply import files
from llmgen.apply.failure import cannot_write
from llmgen.errors import InputError
from llmgen.operate.site import Site

NOTE = "owner.json"
# Everybody may know whose stack it is; ledger and generations beside it are private.
_MODE = 0o644
# Paths of a few files; a longer one is cut, and then no JSON.
_LARGEST = 65536


class StackOwner(Struct, frozen=True):
    """The llm.toml files of a stack, in their order; ``generation`` 0 where none is installed."""

    files: tuple[str, ...] = ()
    generation: int = 0

    @property
    def is_there(self) -> bool:
        """Whether its llm.toml files can be named to a command."""
        return bool(self.files) and all(Path(name).is_file() for name in self.files)


def stack_of(names: Sequence[str]) -> tuple[str, ...]:
    """How a stack names itself: where its llm.toml files are."""
    return tuple(str(Path(name).resolve()) for name in names)


def this_stack(site: Site, names: Sequence[str]) -> tuple[str, ...]:
    """The same for a command; the installed copy, which a timer reads, is of who installed it."""
    own, noted = stack_of(names), installed_owner(site)
    is_copy = own == (str(site.root / str(site.layout.config / "llm.toml").lstrip("/")),)
    return noted.files if is_copy and noted is not None and noted.files else own


def installed_owner(site: Site) -> StackOwner | None:
    """Whose stack is installed; None when nothing is, or an older llmgen noted nothing."""
    return read_owner(site.state / NOTE)


def read_owner(path: Path) -> StackOwner | None:
    """What a note says; None when there is none that can be read."""
    try:
        document = json.loads(_small_file(path))
        return StackOwner(tuple(map(str, document["files"])), int(document["generation"]))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _small_file(path: Path) -> bytes:
    """A plain file's content: the note may be another user's, who could put a pipe there."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        return stream.read(_LARGEST)


def note_owner(site: Site, stack: Sequence[str], generation: int) -> None:
    """Note whose stack is installed now; without files it stays whose it was."""
    before = installed_owner(site) or StackOwner()
    found = StackOwner(tuple(stack) or before.files, generation)
    if found == before or not found.files:
        return
    path = site.state / NOTE
    text = json.dumps({"files": [*found.files], "generation": found.generation}, indent=1)
    try:
        files.remove_file(files.temporary(path))
        files.write_file(path, f"{text}\n".encode(), _MODE)
    except OSError as error:
        raise InputError(cannot_write(path, error)) from error


def forget_owner(site: Site) -> None:
    """Nothing is installed any longer."""
    files.remove_file(site.state / NOTE)


def shown_path(path: str) -> str:
    """A path as a person would write it in this folder."""
    near = os.path.relpath(path)
    return near if len(near) < len(path) else path

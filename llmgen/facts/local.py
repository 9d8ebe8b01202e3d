"""Model files on this machine's disks."""

from __future__ import annotations

import stat
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from msgspec import Struct

from llmgen.errors import InputError
from llmgen.facts.gguf import GgufHeader, read_header
from llmgen.facts.gguf_facts import GgufFacts, ModelFile
from llmgen.facts.header import describe, split_count
from llmgen.facts.refusals import refused
from llmgen.facts.shards import shard_names
from llmgen.units import MIB

# Files of a folder among which a nearly right name is looked for.
_LOOKED_AT = 2000


class FileSource(Struct, frozen=True):
    """An open file; messages call it ``name``."""

    name: str
    size: int
    file: BinaryIO

    @property
    def largest_piece(self) -> int:
        """More at once would only be memory that is fresh, and slow, each time."""
        return MIB // 2

    def read_at(self, offset: int, size: int) -> bytes:
        """``size`` bytes at ``offset``, fewer at the end."""
        try:
            self.file.seek(offset)
            return self.file.read(size)
        except OSError as error:
            raise unreadable(self.name, error) from None

    def __enter__(self) -> Self:
        """Read it in a ``with`` statement; the file is closed at its end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.file.close()


def open_model(path: Path, name: str) -> FileSource:
    """Open a regular file for reading; InputError names it ``name``."""
    try:
        # A pipe would wait for a writer: look before opening.
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise refused("not-a-file", f"`{name}` is no file", "name a .gguf file")
        return FileSource(name, found.st_size, path.open("rb"))
    except OSError as error:
        raise unreadable(name, error, _near(path)) from None


def read_model(path: Path, name: str | None = None) -> GgufFacts:
    """The facts of the model whose first file is ``path``; ``name`` is what the lock calls it."""
    name = str(path) if name is None else name
    with open_model(path, name) as source:
        header, size = read_header(source), source.size
    names = shard_names(name, split_count(header))
    headers, files = [header], [ModelFile(name, size)]
    for other in names[1:]:
        more, size = _read(path.with_name(other.rpartition("/")[2]), other, headers[-1])
        headers.append(more)
        files.append(ModelFile(other, size))
    return describe(headers, files)


def unreadable(name: str, error: OSError, near: str = "") -> InputError:
    """What the system said about a model file; ``near`` is one that is there instead."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        found = name.removesuffix(name.rpartition("/")[2]) + near
        hint = f"did you mean `{found}`?" if near else "check the name and [paths] models"
        return refused("missing", f"there is no model file `{name}`", hint)
    return refused(
        "unreadable",
        f"`{name}` cannot be read: {error.strerror}",
        "check its permissions and its disk",
    )


def _near(path: Path) -> str:
    """A model file of the same folder with nearly the same name."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for mistakes

    if "-of-" in path.name:  # the next shard is no other spelling of this one
        return ""
    try:
        there = [item.name for item in islice(path.parent.iterdir(), _LOOKED_AT)]
    except OSError:
        return ""
    models = [item for item in there if item.endswith(".gguf") and item.isprintable()]
    return next(iter(get_close_matches(path.name, sorted(models), 1, 0.8)), "")


def _read(path: Path, name: str, before: GgufHeader) -> tuple[GgufHeader, int]:
    with open_model(path, name) as source:
        return read_header(source, before), source.size

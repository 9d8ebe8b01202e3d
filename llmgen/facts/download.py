"""One file of the Hub onto the disk: resumed, checked against its digest, moved into place."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from filelock import FileLock, Timeout
from msgspec import Struct
from msgspec.structs import replace

from llmgen.errors import Diagnostic, InputError
from llmgen.facts.gguf_facts import ModelFile
from llmgen.facts.hub import Hub
from llmgen.units import MIB

# Bytes done, of bytes in all.
DownloadProgress = Callable[[int, int], None]
_AGAIN: Final = "run `llmgen pull` again: it goes on where it stopped"
_PIECE: Final = 4 * MIB
# A connection that breaks is tried again after these pauses; progress begins them anew.
PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
_TRANSIENT: Final = frozenset({"hub.unreachable", "hub.failed", "hub.rate-limited"})


class Download(Struct, frozen=True):
    """A file to fetch: from the Hub's (repository, commit, path) to ``target``."""

    file: ModelFile
    at: tuple[str, str, str]
    target: Path

    @property
    def part(self) -> Path:
        """Where it grows; another content has another name."""
        return self.target.with_name(f"{self.target.name}.{self.file.sha256[:12] or 'new'}.part")

    @property
    def missing_bytes(self) -> int:
        """What is still to come."""
        done = self.part.stat().st_size if self.part.is_file() else 0
        return max(0, self.file.size_bytes - done)


def is_intact(path: Path, file: ModelFile, progress: DownloadProgress) -> bool:
    """Whether a file on the disk is the one that the lock names."""
    try:
        if path.stat().st_size != file.size_bytes:
            return False
        return not file.sha256 or _digest(path, progress).hexdigest() == file.sha256
    except OSError as error:
        raise disk_failed(path, error) from None


def fetch(
    download: Download, hub: Hub, progress: DownloadProgress, pauses: tuple[float, ...] = PAUSES
) -> None:
    """Download the rest of a file and put it in place; InputError leaves the part behind."""
    try:
        download.target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(download.part):
            _complete(download, hub, progress, pauses)
            _checked(download)
            download.part.replace(download.target)
            _sync(download.target.parent)
    except OSError as error:
        raise disk_failed(download.part, error) from None


def _complete(
    download: Download, hub: Hub, progress: DownloadProgress, pauses: tuple[float, ...]
) -> None:
    size, tries = download.file.size_bytes, 0
    while (start := size - download.missing_bytes) < size:
        failure = _append(download, hub, start, progress)
        if size - download.missing_bytes > start:
            tries = 0
        elif tries == len(pauses):
            raise InputError(failure or _stopped(download))
        if download.missing_bytes and pauses:
            time.sleep(pauses[tries])
        tries += 1


def _append(
    download: Download, hub: Hub, start: int, progress: DownloadProgress
) -> Diagnostic | None:
    """Fetch the rest; what went wrong, if it may go better another time."""
    size = download.file.size_bytes
    with download.part.open("ab") as file:
        try:
            with hub.stream(download.at, start, size) as pieces:
                for piece in pieces:
                    _write(file, piece, download.part)
                    start += len(piece)
                    progress(start, size)
        except InputError as error:
            found = error.diagnostics[0]
            if found.code not in _TRANSIENT:
                raise
            return replace(found, hint=f"{found.hint}; then {_AGAIN}")
        finally:
            file.flush()
            os.fsync(file.fileno())
    return None


def _stopped(download: Download) -> Diagnostic:
    message = f"the Hub does not send all of `{download.file.name}`"
    return Diagnostic("pull.interrupted", message, hint=_AGAIN)


def _write(file: BinaryIO, piece: bytes, path: Path) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise disk_failed(path, error) from None


def _checked(download: Download) -> None:
    if not is_intact(download.part, download.file, lambda done, size: None):  # noqa: ARG005
        raise InputError(
            Diagnostic(
                "pull.digest",
                f"what came for `{download.file.name}` is not what llm.lock names",
                hint=f"remove `{download.part}` and try again; "
                "if that does not help, run `llmgen lock --update`",
            )
        )


def _digest(path: Path, progress: DownloadProgress) -> hashlib._Hash:
    found, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
            done += len(piece)
            progress(done, size)
    return found


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    lock = part.with_name(f"{part.name}.lock")
    try:
        with FileLock(lock, timeout=0):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    except Timeout:
        message = f"another `llmgen pull` is fetching `{part.name}`"
        raise InputError(Diagnostic("pull.busy", message, hint="wait for it")) from None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_failed(path: Path, error: OSError) -> InputError:
    """What the system said about a file of the models folder."""
    return InputError(
        Diagnostic(
            "pull.disk-failed",
            f"`{path}` cannot be read or written: {error.strerror}",
            hint="check the disk and the permissions of [paths] models",
        )
    )

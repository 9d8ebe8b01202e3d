"""Installed trees, numbered: what to go back to, kept by content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct

from llmgen.apply import files
from llmgen.apply.failure import cannot_read, cannot_write
from llmgen.artifacts import Artifact
from llmgen.errors import Diagnostic, InputError

FORMAT = 1
KEPT = 10
# Trees hold no secrets, but neither are old configurations everybody's to read.
_PRIVATE, _PRIVATE_FOLDER = 0o600, 0o700


class Generation(Struct, frozen=True):
    """One installed tree; ``files`` maps a path below the root to (digest, mode, target).

    ``seconds`` is when it was installed, counted from 1970.
    """

    number: int
    files: Mapping[PurePosixPath, tuple[str, int, str]]
    reason: str = ""
    seconds: int = 0


def generations(state: Path) -> list[Generation]:
    """All kept generations that can be used, oldest first."""
    return [item for item in _all(state) if isinstance(item, Generation)]


def damaged(state: Path) -> list[Diagnostic]:
    """What is wrong with those that cannot be used; they are in nobody's way."""
    return [item for item in _all(state) if isinstance(item, Diagnostic)]


def _all(state: Path) -> Iterator[Generation | Diagnostic]:
    for number, path in _numbered(state):
        try:
            yield _read(path, number)
        except InputError as error:
            yield error.diagnostics[0]


def _numbered(state: Path) -> list[tuple[int, Path]]:
    listed = _listed(_folder(state))
    return sorted((int(path.stem), path) for path in listed if path.stem.isdecimal())


def _listed(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix == ".json"]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(cannot_read(folder, error)) from error


def generation(state: Path, number: int | None) -> Generation:
    """One generation: by number, or the one before the newest."""
    known = generations(state)
    if number is None and len(known) > 1:
        return known[-2]
    for item in known:
        if item.number == number:
            return item
    for other, path in _numbered(state):
        if other == number:
            return _read(path, other)
    numbers = ", ".join(str(item.number) for item in known)
    wanted = f"generation {number}" if number is not None else "earlier generation"
    raise InputError(
        Diagnostic(
            "apply.no-generation",
            f"there is no {wanted} below `{state}`",
            hint=f"kept: {numbers}" if known else "nothing is installed yet; `llmgen install` does",
        )
    )


def tree(state: Path, found: Generation) -> dict[PurePosixPath, Artifact]:
    """The artifacts of a generation, by path below the root."""
    return {
        path: Artifact(path, _object(state, digest), target, mode, PurePosixPath("/", path))
        for path, (digest, mode, target) in found.files.items()
    }


def record(state: Path, wanted: Mapping[PurePosixPath, Artifact], reason: str) -> int | None:
    """Keep a tree as the next generation; None when it is the newest one already."""
    known = generations(state)
    listed = {path: (item.digest, item.mode, item.target) for path, item in wanted.items()}
    if listed == (known[-1].files if known else {}):
        return None
    for item in wanted.values():
        _keep(state, item)
    number = max((number for number, _ in _numbered(state)), default=0) + 1
    path = _folder(state) / f"{number}.json"
    files.make_folder(path.parent, _PRIVATE_FOLDER)
    _write(path, _text(Generation(number, listed, reason)))
    return number


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """One installation at a time, from its first file to its last service; a second one waits."""
    with ExitStack() as held:
        try:
            files.make_folder(state)
            # Not the state folder itself: `apply` locks that for each writer.
            files.make_folder(_folder(state), _PRIVATE_FOLDER)
            held.enter_context(files.locked(_folder(state)))
        except OSError as error:
            raise InputError(cannot_write(state, error)) from error
        yield


def prune(state: Path, keep: int = KEPT) -> list[int]:
    """Drop all but the newest generations, and contents that no kept one has; what was dropped."""
    known = generations(state)
    dropped, kept = known[: max(0, len(known) - keep)], known[max(0, len(known) - keep) :]
    for item in dropped:
        files.remove_file(_folder(state) / f"{item.number}.json")
    if damaged(state):
        # Nobody knows which contents it has, and a newer llmgen may read it.
        return [item.number for item in dropped]
    used = {digest for item in kept for digest, _, _ in item.files.values()}
    for path in (state / "objects").glob("*"):
        if path.name not in used:
            files.remove_file(path)
    return [item.number for item in dropped]


def _keep(state: Path, artifact: Artifact) -> None:
    path = state / "objects" / artifact.digest
    if not path.exists():
        files.make_folder(path.parent, _PRIVATE_FOLDER)
        _write(path, artifact.content)


def _write(path: Path, content: bytes) -> None:
    # What a crash left of an earlier try; the folder is ours alone.
    files.remove_file(files.temporary(path))
    files.write_file(path, content, _PRIVATE)


def _folder(state: Path) -> Path:
    return state / "generations"


def _text(item: Generation) -> bytes:
    document = {
        "format": FORMAT,
        "reason": item.reason,
        "files": {
            str(path): {"sha256": digest, "mode": f"{mode:04o}", "target": target}
            for path, (digest, mode, target) in sorted(item.files.items())
        },
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _read(path: Path, number: int) -> Generation:
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        if document["format"] > FORMAT:
            raise _unusable(path, f"format {document['format']} is of a newer llmgen")
        listed = {
            PurePosixPath(name): (value["sha256"], int(value["mode"], 8), value["target"])
            for name, value in document["files"].items()
        }
        reason = str(document["reason"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _unusable(path, str(error)) from error
    _refuse_strays(path, listed)
    return Generation(number, listed, reason, int(path.stat().st_mtime))


def _refuse_strays(path: Path, listed: Iterable[PurePosixPath]) -> None:
    for name in listed:
        if name.is_absolute() or ".." in name.parts:
            raise _unusable(path, f"`{name}` leads out of the root")


def _object(state: Path, digest: str) -> bytes:
    path = state / "objects" / digest
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from error
    if Artifact(PurePosixPath(digest), content, "").digest != digest:
        raise _unusable(path, "its content is not what its name says")
    return content


def _unusable(path: Path, why: str) -> InputError:
    return InputError(
        Diagnostic(
            "apply.bad-generation",
            f"`{path}` cannot be used: {why}",
            hint="move the file away, or go back to another one of `llmgen generations`",
        )
    )

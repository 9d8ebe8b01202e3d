"""What llmgen wrote last, and the journal that keeps that true through a crash."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from llmgen.apply.changes import Owned, PathEntry, Written
from llmgen.apply.failure import cannot_read
from llmgen.errors import Diagnostic, InputError

FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MODE = re.compile(r"0[0-7]{3}")


def read_ledger(path: Path) -> dict[PurePosixPath, Owned]:
    """What the ledger or the journal at ``path`` lists; nothing when there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except PermissionError as error:
        raise InputError(cannot_read(path, error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, str(error)) from error
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unusable(path, f"it is not JSON ({error})") from error
    return _files(path, document)


def merged(ledger: Written, journal: Written) -> dict[PurePosixPath, Owned]:
    """Both together: after a crash, what was there before and what was to come are ours."""
    found = dict(ledger)
    for path, owned in journal.items():
        known = found.get(path, Owned(frozenset(), owned.target))
        found[path] = Owned(known.states | owned.states, owned.target or known.target)
    return found


def ledger_text(files: Mapping[PurePosixPath, Owned]) -> bytes:
    """The ledger or journal as JSON, sorted, so that it can be committed and compared."""
    document = {
        "llmgen": "files that llmgen wrote; llmgen keeps this list itself",
        "format": FORMAT,
        "files": {
            str(path): {
                "target": owned.target,
                "states": [
                    {"sha256": state.digest, "mode": f"{state.mode:04o}"}
                    for state in sorted(owned.states, key=lambda item: (item.digest, item.mode))
                ],
            }
            for path, owned in sorted(files.items())
        },
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _files(path: Path, document: object) -> dict[PurePosixPath, Owned]:
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise _unusable(path, "it has no format number")
    if document["format"] > FORMAT:
        raise InputError(
            Diagnostic(
                "apply.newer-ledger",
                f"`{path}` has format {document['format']}, written by a newer llmgen; "
                f"this one knows format {FORMAT}",
                hint="use the llmgen that wrote it, or a newer one",
            )
        )
    files = document.get("files")
    if not isinstance(files, dict):
        raise _unusable(path, "it lists no files")
    return {_path(path, name): _owned(path, name, value) for name, value in files.items()}


def _path(ledger: Path, name: str) -> PurePosixPath:
    """The entry's path; refused when it could lead out of the root."""
    parts = name.split("/")
    if not name or name.startswith("/") or "\0" in name or any(p in ("", ".", "..") for p in parts):
        raise _unusable(ledger, f"`{name!a}` is no path below its folder")
    return PurePosixPath(name)


def _owned(ledger: Path, name: str, value: Any) -> Owned:  # noqa: ANN401 - JSON as read
    if not isinstance(value, dict) or not isinstance(value.get("states"), list):
        raise _unusable(ledger, f"`{name}` has no states")
    target = value.get("target", "")
    if not isinstance(target, str):
        raise _unusable(ledger, f"`{name}` has no target")
    return Owned(frozenset(_states(ledger, name, value["states"])), target)


def _states(ledger: Path, name: str, values: list[Any]) -> Iterable[PathEntry]:
    for value in values:
        known = isinstance(value, dict)
        digest = value.get("sha256") if known else None
        mode = value.get("mode") if known else None
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise _unusable(ledger, f"`{name}` has no digest")
        if not isinstance(mode, str) or not _MODE.fullmatch(mode):
            raise _unusable(ledger, f"`{name}` has no mode")
        yield PathEntry(digest, int(mode, 8))


def _unusable(path: Path, why: str) -> InputError:
    return InputError(
        Diagnostic(
            "apply.bad-ledger",
            f"`{path}` cannot be used as llmgen's ledger: {why}",
            hint="restore it from git or a backup; or remove it and use `--adopt`, with `--backup` "
            "for files that have no room for llmgen's header (JSON)",
        )
    )

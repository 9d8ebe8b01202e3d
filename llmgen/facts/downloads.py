"""Which files of the models folder llmgen downloaded: those that `models gc` may delete."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from filelock import FileLock

from llmgen.facts.download import disk_failed

NOTE: Final = ".llmgen-downloads.json"


def downloaded(models: Path) -> dict[str, int]:
    """The files that `llmgen pull` put there, with their sizes; nothing without a note."""
    try:
        document = json.loads((models / NOTE).read_bytes())
        rows = document["files"].items()
        return {name: size for name, size in rows if type(size) is int}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def note_downloads(models: Path, fresh: Mapping[str, int], gone: Iterable[str] = ()) -> None:
    """Add files to the note, and take others out."""
    path = models / NOTE
    try:
        with FileLock(path.with_name(f"{NOTE}.lock")):
            listed = {**downloaded(models), **fresh}
            for name in gone:
                listed.pop(name, None)
            text = json.dumps({"format": 1, "files": dict(sorted(listed.items()))}, indent=1)
            new = path.with_name(f"{NOTE}.new")
            new.write_text(f"{text}\n", encoding="utf-8")
            os.replace(new, path)  # noqa: PTH105 - whole or not at all
            path.with_name(f"{NOTE}.lock").unlink(missing_ok=True)
    except OSError as error:
        raise disk_failed(path, error) from None


def is_downloaded(models: Path, name: str, noted: Mapping[str, int]) -> bool:
    """Whether a file is still the one that was downloaded, by its size."""
    try:
        return noted.get(name) == (models / name).stat().st_size
    except OSError:
        return False

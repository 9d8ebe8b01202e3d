"""Copies of a Hub file that other programs already have, so that nothing is downloaded twice."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from llmgen.facts.download import Download, DownloadProgress, disk_failed, is_intact
from llmgen.facts.stores import Stores


def nearby(download: Download, stores: Stores, progress: DownloadProgress) -> Path | None:
    """The first copy with the right digest, if there is one; no digest, no copy."""
    if not download.file.sha256:
        return None
    for path in _places(download, stores):
        if path.is_file() and is_intact(path, download.file, progress):
            return path.resolve()
    return None


def take(copy: Path, download: Download) -> None:
    """Put a copy in place: the same file under a second name where the disk can do that."""
    part = download.part.with_name(f"{download.part.name}.copy")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        try:
            os.link(copy, part)
        except OSError:
            shutil.copyfile(copy, part)
        part.replace(download.target)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise disk_failed(part, error) from None


def _places(download: Download, stores: Stores) -> Iterator[Path]:
    repo, _, path = download.at
    owner, _, name = repo.partition("/")
    if stores.hub is not None:
        # huggingface_hub names the content of large files by their SHA-256.
        yield stores.hub / f"models--{owner}--{name}" / "blobs" / download.file.sha256
    if stores.lm_studio is not None:
        yield stores.lm_studio / owner / name / path
    if stores.llama_cpp is not None:
        yield stores.llama_cpp / f"{owner}_{name}_{path.replace('/', '_')}"

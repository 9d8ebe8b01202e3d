"""``llmgen pull`` without its command line: the files that llm.lock names, checked and in place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from llmgen.errors import Diagnostic, InputError
from llmgen.facts.download import PAUSES, Download, DownloadProgress, fetch, is_intact
from llmgen.facts.downloads import note_downloads
from llmgen.facts.gguf_facts import ModelFile, ModelRef
from llmgen.facts.hub_names import hub_ref
from llmgen.facts.lock_model import Entry
from llmgen.facts.nearby import nearby, take
from llmgen.facts.sources import Sources, local_path
from llmgen.units import show_size


class Presence(StrEnum):
    """Where a file of the lock stands."""

    DOWNLOADED = "downloaded"
    LINKED = "linked"
    PRESENT = "present"
    ABSENT = "absent"


class Pulled(Struct, frozen=True):
    """One file of the lock and where it stands now."""

    ref: ModelRef
    name: str
    size_bytes: int
    presence: Presence


class ProgressWatch(Protocol):
    """Who wants to see progress: one call for each file, what is done to it, then bytes."""

    def __call__(self, verb: str, file: ModelFile) -> DownloadProgress:
        """A function to be told bytes done and bytes in all."""
        ...


def pull(
    entries: Mapping[ModelRef, Entry],
    sources: Sources,
    watch: ProgressWatch,
    *,
    trust_size: bool = False,
    pauses: tuple[float, ...] = PAUSES,
) -> tuple[Pulled, ...]:
    """Fetch what is not there; InputError when a file in place is another one, or will not fit.

    A copy in another program's store is linked instead of being downloaded.
    Nothing is downloaded before everything in place is checked and the disk is known to be large
    enough; nothing is ever deleted. Files that are not the Hub's are only looked for.
    """
    wanted = dict(_files(entries))
    here = {name: local_path(name, sources).exists() for name in wanted}
    present = [file for name, (ref, file) in wanted.items() if here[name] and entries[ref].revision]
    _intact(present, sources, watch, trust_size)
    downloads = {
        name: _download(ref, entries[ref], file, sources)
        for name, (ref, file) in wanted.items()
        if not here[name] and entries[ref].revision
    }
    copies = {
        name: copy
        for name, item in downloads.items()
        if (copy := nearby(item, sources.stores, watch("check", item.file))) is not None
    }
    _room(
        sources.models,
        sum(item.missing_bytes for name, item in downloads.items() if name not in copies),
    )
    for name, item in downloads.items():
        if name in copies:
            take(copies[name], item)
        else:
            fetch(item, sources.hub, watch("get", item.file), pauses)
        note_downloads(sources.models, {name: item.file.size_bytes})
    taken = {name: Presence.LINKED if name in copies else Presence.DOWNLOADED for name in downloads}
    return tuple(
        Pulled(ref, name, file.size_bytes, taken.get(name) or _presence(here[name]))
        for name, (ref, file) in wanted.items()
    )


def _files(entries: Mapping[ModelRef, Entry]) -> Iterator[tuple[str, tuple[ModelRef, ModelFile]]]:
    for ref, entry in entries.items():
        for file in entry.facts.files:
            yield file.name, (ref, file)


def _intact(
    files: list[ModelFile], sources: Sources, watch: ProgressWatch, trust_size: bool
) -> None:
    wrong = [
        Diagnostic(
            "pull.mismatch",
            f"`{file.name}` on the disk is not the file that llm.lock names",
            hint=f"move `{local_path(file.name, sources)}` away and run `llmgen pull`, "
            "or run `llmgen lock` if it is the right one",
        )
        for file in files
        if not _is_right(local_path(file.name, sources), file, watch, trust_size)
    ]
    if wrong:
        raise InputError(wrong)


def _is_right(path: Path, file: ModelFile, watch: ProgressWatch, trust_size: bool) -> bool:
    if not path.is_file():
        return False
    known = ModelFile(file.name, file.size_bytes) if trust_size else file
    return is_intact(path, known, watch("check", file))


def _download(ref: ModelRef, entry: Entry, file: ModelFile, sources: Sources) -> Download:
    repo = hub_ref(ref).repo
    at = (repo, entry.revision, file.name.removeprefix(f"{repo}/"))
    return Download(file, at, local_path(file.name, sources))


def _presence(here: bool) -> Presence:
    return Presence.PRESENT if here else Presence.ABSENT


def _room(folder: Path, needed: int) -> None:
    if not needed:
        return
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(
            Diagnostic(
                "pull.disk-full",
                f"the models need {show_size(needed)} more, `{folder}` has {show_size(free)}",
                hint="make room, or set [paths] models to another disk",
            )
        )

"""Whether the files of the models are still those that llm.lock names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from llmgen.errors import InputError
from llmgen.facts.download import is_intact
from llmgen.facts.gguf_facts import ModelRef
from llmgen.facts.lock_model import Entry
from llmgen.facts.pull import ProgressWatch
from llmgen.facts.sources import Sources, local_path, resolve_reference


class Condition(StrEnum):
    """How a file is; ``header`` is one of which only the header is known, and is right."""

    INTACT = "intact"
    HEADER = "header intact"
    CHANGED = "changed"
    ABSENT = "absent"


class CheckedFile(Struct, frozen=True):
    """One file, how it is, and what was looked at."""

    ref: ModelRef
    name: str
    size_bytes: int
    condition: Condition
    detail: str = ""


def verified(
    entries: Mapping[ModelRef, Entry], sources: Sources, watch: ProgressWatch, *, quick: bool
) -> Iterator[CheckedFile]:
    """Every file of every entry; ``quick`` reads headers and sizes, not digests of gigabytes."""
    for ref, entry in entries.items():
        header = _header(ref, entry, sources)
        for file in entry.facts.files:
            path = local_path(file.name, sources)
            if not path.is_file():
                told = Condition.ABSENT, ""
            elif header:
                told = Condition.CHANGED, header
            elif path.stat().st_size != file.size_bytes:
                told = Condition.CHANGED, "another size"
            elif not file.sha256 or quick:
                told = Condition.HEADER, "size and header"
            elif is_intact(path, file, watch("check", file)):
                told = Condition.INTACT, "SHA-256"
            else:
                told = Condition.CHANGED, "another SHA-256"
            yield CheckedFile(ref, file.name, file.size_bytes, *told)


def _header(ref: ModelRef, entry: Entry, sources: Sources) -> str:
    """Why the header is another one than the lock's; empty when it is the same."""
    first = entry.facts.files[0].name
    local = ref if not entry.revision else f"file:{first}"
    try:
        found = resolve_reference(local, sources).facts
    except InputError as error:
        return "" if error.diagnostics[0].code == "facts.missing" else error.diagnostics[0].message
    return "" if found.header_sha256 == entry.facts.header_sha256 else "another header"

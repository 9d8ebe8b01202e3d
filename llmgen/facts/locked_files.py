"""Which files a lock may name: llm.toml decides what a server opens, a lock from elsewhere never.

A lock travels: by Git, from a colleague. What it adds to llm.toml's words is figures, and of
paths only what follows from those words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from llmgen.errors import InputError
from llmgen.facts.gguf_facts import ModelFile, ModelRef
from llmgen.facts.shards import shard_names

# Ollama names a file of its store by the file's own digest.
_BLOB: Final = re.compile(r"(?:~?/.*)?/blobs/sha256-(?P<sha256>[0-9a-f]{64})", re.DOTALL)


def wrong_file(ref: ModelRef, files: Sequence[ModelFile]) -> tuple[int, str] | None:
    """The number of the first file that ``ref`` does not lead to, and what is wrong with it."""
    kind, _, name = ref.partition(":")
    match kind:
        case "file":
            return _other_than(name, files)
        case "hf" | "repo":
            return _outside(f"{name.split(':')[0]}/", files)
        case "folder":
            return _not_in(name, files)
        case "ollama":
            return _no_blob(files)
        case "lmstudio":
            return _elsewhere(name, files)
        case _:
            return 0, f"belongs to `{ref}`, which is no source of models"


def _other_than(name: str, files: Sequence[ModelFile]) -> tuple[int, str] | None:
    """A file of llm.toml is that file, and its further shards."""
    try:
        wanted = shard_names(name, len(files))
    except InputError:
        return 1, f"is no part of `{name}`"
    for number, (file, want) in enumerate(zip(files, wanted, strict=True)):
        if file.name != want:
            return number, f"is not `{want}`, which llm.toml means"
    return None


def _outside(folder: str, files: Sequence[ModelFile]) -> tuple[int, str] | None:
    """``pull`` writes these files: they stay in the repository's folder below the models."""
    for number, file in enumerate(files):
        if not file.name.startswith(folder) or not _is_plain(file.name.split("/")):
            return number, f"is not below `{folder}`"
    return None


def _not_in(folder: str, files: Sequence[ModelFile]) -> tuple[int, str] | None:
    """A checkpoint's files are those of the folder that llm.toml names, of none below it."""
    for number, file in enumerate(files):
        place, _, plain = file.name.rpartition("/")
        if place != folder or not _is_plain([plain]):
            return number, f"is not in `{folder}`, which llm.toml means"
    return None


def _no_blob(files: Sequence[ModelFile]) -> tuple[int, str] | None:
    for number, file in enumerate(files):
        found = _BLOB.fullmatch(file.name)
        if found is None or found["sha256"] != file.sha256 or not _is_straight(file.name):
            return number, "is no blob of an Ollama store with its own digest"
    return None


def _elsewhere(name: str, files: Sequence[ModelFile]) -> tuple[int, str] | None:
    """LM Studio's folder is where its user put it; below it the path is that of llm.toml."""
    try:
        wanted = shard_names(name, len(files))
    except InputError:
        return 1, f"is no part of `{name}`"
    for number, (file, want) in enumerate(zip(files, wanted, strict=True)):
        if not file.name.endswith(f"/{want}") or not _is_straight(file.name):
            return number, f"does not end in `/{want}`"
    return None


def _is_straight(path: str) -> bool:
    """Whether a path is whole (absolute, or below the home) and never turns back."""
    return path.startswith(("/", "~/")) and ".." not in PurePosixPath(path).parts


def _is_plain(parts: Sequence[str]) -> bool:
    return {"", ".", ".."}.isdisjoint(parts)

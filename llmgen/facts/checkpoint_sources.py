"""Checkpoints where they are: a folder of this machine, or a repository of the Hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from llmgen.facts.checkpoint import (
    CONFIG,
    INDEX,
    MOST_JSON,
    check_index,
    describe_checkpoint,
    weight_files,
)
from llmgen.facts.checkpoint_model import CheckpointFacts
from llmgen.facts.digest import RunningDigest
from llmgen.facts.gguf_facts import ModelFile
from llmgen.facts.hub import Hub, HubSource, Repository
from llmgen.facts.hub_names import HubFile
from llmgen.facts.local import open_model
from llmgen.facts.refusals import refused
from llmgen.facts.safetensors import StoredTensor, read_json, read_tensors
from llmgen.facts.window import ByteSource

# What vLLM and SGLang open beside the weights: configuration, tokenizer, chat template. No code.
_BESIDE: Final = (".json", ".txt", ".model", ".jinja", ".tiktoken")
# Files of a folder that are looked at.
_LOOKED_AT: Final = 5000
_Shards = Sequence[tuple[str, tuple[StoredTensor, ...]]]


def read_folder(folder: Path, name: str) -> CheckpointFacts:
    """The facts of the checkpoint in a folder; ``name`` is what the lock calls it."""
    try:
        there = sorted(
            item.name for item in islice(os.scandir(folder), _LOOKED_AT) if item.is_file()
        )
    except OSError as error:
        hint = "name a folder with config.json and .safetensors files; check [paths] models"
        message = f"`{name}` is no folder that can be read: {error.strerror}"
        raise refused("missing", message, hint) from None

    def shards(files: Iterable[str], digest: RunningDigest) -> _Shards:
        found = []
        for file in files:
            with open_model(folder / file, f"{name}/{file}") as source:
                found.append((file, read_tensors(source, digest)))
        return found

    def document(file: str) -> Any:  # noqa: ANN401 - it is checked where it is read
        with open_model(folder / file, f"{name}/{file}") as source:
            return _document(source)

    def size(file: str) -> ModelFile:
        with open_model(folder / file, f"{name}/{file}") as source:
            return ModelFile(f"{name}/{file}", source.size)

    return _checkpoint(name, there, document, shards, size)


def read_repository(hub: Hub, repository: Repository) -> CheckpointFacts:
    """The facts of a repository's checkpoint, by range requests."""
    files = {file.path: file for file in repository.files if "/" not in file.path}

    def source(file: str) -> HubSource:
        return HubSource(hub, repository, files[file])

    def shards(names: Iterable[str], digest: RunningDigest) -> _Shards:
        return [(file, read_tensors(source(file), digest)) for file in names]

    return _checkpoint(
        repository.repo,
        sorted(files),
        lambda file: _document(source(file)),
        shards,
        lambda file: _model_file(repository.repo, files[file]),
    )


def _checkpoint(
    name: str,
    there: Sequence[str],
    document: Callable[[str], Any],
    shards: Callable[[Iterable[str], RunningDigest], _Shards],
    size: Callable[[str], ModelFile],
) -> CheckpointFacts:
    if CONFIG not in there:
        hint = "name a folder or repository that vLLM can load: config.json and .safetensors"
        raise refused("no-config", f"`{name}` has no {CONFIG}", hint)
    config = document(CONFIG)
    index = document(INDEX) if INDEX in there else None
    weights = weight_files(name, there, index)
    digest = RunningDigest()
    found = shards(weights, digest)
    check_index(name, index, found)
    beside = [item for item in there if item.endswith(_BESIDE) and item.isprintable()]
    files = [size(item) for item in (*weights, *beside)]
    return describe_checkpoint(name, config, found, files, digest.hexdigest())


def _document(source: ByteSource) -> Any:  # noqa: ANN401 - it is checked where it is read
    if source.size > MOST_JSON:
        raise refused("json", f"`{source.name}` has {source.size} bytes; {MOST_JSON} are the most")
    text = source.read_at(0, source.size)
    if len(text) < source.size:
        raise refused("truncated", f"`{source.name}` ends early")
    return read_json(text, f"`{source.name}`")


def _model_file(repo: str, file: HubFile) -> ModelFile:
    return ModelFile(f"{repo}/{file.path}", file.size_bytes, file.sha256)

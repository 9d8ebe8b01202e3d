"""Where other programs keep model files: Ollama's store, LM Studio's folder, llama.cpp's cache."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from llmgen.errors import InputError
from llmgen.facts.gguf_facts import ModelRef
from llmgen.facts.refusals import refused
from llmgen.facts.shards import shard

# Folders below the home, the first that exists counts. Ollama's installer for Linux makes a user
# with the third as home (ollama/ollama scripts/install.sh).
_OLLAMA: Final = ("~/.ollama/models", "/usr/share/ollama/.ollama/models", "/var/lib/ollama/models")
_LM_STUDIO: Final = ("~/.lmstudio/models", "~/.cache/lm-studio/models")
_LLAMA_CPP: Final = ("~/.cache/llama.cpp", "~/Library/Caches/llama.cpp")
_HUB: Final = ("~/.cache/huggingface/hub",)
_MODEL_LAYER: Final = "application/vnd.ollama.image.model"
_PROJECTOR_LAYER: Final = "application/vnd.ollama.image.projector"
_PARAMETER_LAYER: Final = "application/vnd.ollama.image.params"
_DIGEST: Final = re.compile(r"sha256[:-]([0-9a-f]{64})")
_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Stores(Struct, frozen=True):
    """The folders on this machine; None where there is none."""

    ollama: Path | None = None
    lm_studio: Path | None = None
    llama_cpp: Path | None = None
    hub: Path | None = None


class Blob(Struct, frozen=True):
    """A model of an Ollama store: its file, digest, the projectors and parameters beside it."""

    path: Path
    sha256: str
    projectors: tuple[Path, ...] = ()
    parameters: tuple[Path, ...] = ()


class FoundFile(Struct, frozen=True):
    """A model file that a scan came across, with the reference that names it in a lock."""

    ref: ModelRef
    path: Path
    size_bytes: int


def find_stores(home: Path, environment: Mapping[str, str] = os.environ) -> Stores:
    """The stores of a user: what the environment names, else the usual places that exist."""
    cache = environment.get("HF_HUB_CACHE") or _below(environment.get("HF_HOME"), "hub")
    return Stores(
        ollama=_folder(environment.get("OLLAMA_MODELS"), _OLLAMA, home),
        lm_studio=_folder(None, _LM_STUDIO, home),
        llama_cpp=_folder(environment.get("LLAMA_CACHE"), _LLAMA_CPP, home),
        hub=_folder(cache, _HUB, home),
    )


def ollama_blob(store: Path | None, name: str) -> Blob:
    """The model of a name as `ollama list` prints it; InputError when the store has none."""
    if store is None:
        raise refused(
            "no-store", "there is no Ollama store here", "set OLLAMA_MODELS to its folder"
        )
    manifest = _manifest(store, name)
    model = [_blob(store, name, layer) for layer in _layers(manifest, name, _MODEL_LAYER)]
    if len(model) != 1:
        raise refused(
            "ollama-model", f"`{name}` of Ollama has {len(model)} model files", "name another model"
        )
    beside = (
        tuple(_blob(store, name, layer)[0] for layer in _layers(manifest, name, kind))
        for kind in (_PROJECTOR_LAYER, _PARAMETER_LAYER)
    )
    return Blob(*model[0], *beside)


def ollama_names(store: Path | None) -> Iterator[str]:
    """Everything that the store lists, whether it can be used or not."""
    if store is None:
        return
    folder = store / "manifests"
    for path in sorted(folder.rglob("*")):
        # The Finder of macOS leaves files of its own.
        if os.path.isfile(path) and not path.name.startswith("."):  # noqa: PTH113
            yield _short(path.relative_to(folder).parts)


def scan(
    stores: Stores, models: Path | None = None, others: Iterable[Path] = ()
) -> Iterator[FoundFile]:
    """Every model file in the models folder, the stores and others; first shards only, sorted."""
    for folder, prefix in ((models, "file:"), (stores.lm_studio, "lmstudio:")):
        if folder is not None:
            for path in _gguf(folder):
                yield FoundFile(
                    f"{prefix}{path.relative_to(folder).as_posix()}", path, path.stat().st_size
                )
    yield from _ollama(stores.ollama)
    for folder in (stores.llama_cpp, stores.hub, *others):
        if folder is not None:
            for path in _gguf(folder):
                yield FoundFile(f"file:{path.as_posix()}", path, path.stat().st_size)


def spelled(path: Path, home: Path) -> str:
    """A path as llm.toml would write it: ``~/…`` below the home."""
    return (
        f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else path.as_posix()
    )


def _folder(told: str | None, usual: tuple[str, ...], home: Path) -> Path | None:
    if told:
        return Path(told)
    paths = (home / name[2:] if name.startswith("~/") else Path(name) for name in usual)
    return next((path for path in paths if path.is_dir()), None)


def _below(folder: str | None, name: str) -> str | None:
    return f"{folder}/{name}" if folder else None


def _gguf(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.gguf")):
        parts = shard(path.name)
        # Unlike Path.is_file, False in a folder that is closed to this user.
        if os.path.isfile(path) and (parts is None or parts[1] == 1):  # noqa: PTH113
            yield path


def _ollama(store: Path | None) -> Iterator[FoundFile]:
    for name in ollama_names(store):
        try:
            blob = ollama_blob(store, name)
        except InputError:
            # A store has models of other kinds too (safetensors, remote ones).
            continue
        if os.path.isfile(blob.path):  # noqa: PTH113
            yield FoundFile(f"ollama:{name}", blob.path, blob.path.stat().st_size)


def _short(parts: tuple[str, ...]) -> str:
    """``registry.ollama.ai/library/qwen3/8b`` as people say it: ``qwen3:8b``."""
    *place, tag = parts
    for usual in ("registry.ollama.ai", "library"):
        if place and place[0] == usual:
            place = place[1:]
    return f"{'/'.join(place)}:{tag}"


def _manifest(store: Path, name: str) -> Path:
    head, _, last = name.rpartition("/")
    model, _, tag = last.partition(":")
    folders = [*head.split("/"), model] if head else ["library", model]
    if len(folders) == 2:
        folders = ["registry.ollama.ai", *folders]
    parts = [*folders, tag or "latest"]
    if len(parts) != 4 or not all(_PART.fullmatch(part) for part in parts):
        raise refused("ollama-name", f"`{name}` is no name of an Ollama model", "see `ollama list`")
    path = store.joinpath("manifests", *parts)
    if not os.path.isfile(path):  # noqa: PTH113
        raise refused(
            "missing",
            f"Ollama has no model `{name}`",
            f"run `ollama pull {name}`, or see `ollama list`",
        )
    return path


def _layers(manifest: Path, name: str, kind: str) -> list[str]:
    try:
        document = json.loads(manifest.read_bytes())
        return [layer["digest"] for layer in document["layers"] if layer["mediaType"] == kind]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise refused(
            "ollama-manifest",
            f"the manifest of `{name}` cannot be read",
            f"run `ollama pull {name}`",
        ) from None


def _blob(store: Path, name: str, digest: object) -> tuple[Path, str]:
    found = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    if found is None:
        raise refused("ollama-manifest", f"the manifest of `{name}` has no digest of its model")
    return store / "blobs" / f"sha256-{found[1]}", found[1]

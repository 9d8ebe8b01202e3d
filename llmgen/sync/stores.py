"""The stores of this machine as [sync] names them: whole models, and what is left for next time."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from llmgen.budget.shape.architectures import PROJECTOR, Family, architecture
from llmgen.config.tables.base import TEXT
from llmgen.config.tables.sync import Sync
from llmgen.errors import InputError
from llmgen.facts.gguf_facts import GgufFacts, ModelRef
from llmgen.facts.sources import Sources, local_path, read_gguf
from llmgen.facts.stores import FoundFile, Stores, ollama_blob, scan, spelled
from llmgen.resolve.role import made_for
from llmgen.sync.rules import StoreModel, is_wanted

# Kinds of GGUF files that are a part of a model, or nothing that answers (`general.type`).
_PARTS = frozenset({"adapter", "imatrix", "mmproj"})
_NO_MODEL = frozenset({Family.PROJECTOR, Family.VOCODER})
# Half of a surrogate pair stands for a byte that is no UTF-8.
_NAME = re.compile(TEXT.replace("[^", r"[^\ud800-\udfff"))
# aria2 gives a file its whole size at once, and has this beside it until it is complete.
_UNFINISHED = ".aria2"


class SkippedFile(Struct, frozen=True):
    """A file that is not taken in now, and why."""

    ref: ModelRef
    label: str
    why: str


class Looked(Struct, frozen=True):
    """What is in the stores; ``lost`` are files of ``own`` that nothing can be said of, and why.

    Of these the folder is not there, or has nothing in it: a disk that is not mounted. ``gone`` are
    those that are not there, whatever the reason.
    """

    candidates: tuple[StoreModel, ...]
    left: tuple[SkippedFile, ...]
    lost: Mapping[ModelRef, str]
    gone: frozenset[ModelRef] = frozenset()


class _SeenFile(Struct, frozen=True):
    """A file as the scan found it, with the folder of its store."""

    found: FoundFile
    store: str
    folder: Path
    identity: tuple[int, int]
    size: int
    mtime: float


def look(
    rules: Sync,
    sources: Sources,
    *,
    known: Collection[Path],
    own: Collection[ModelRef],
    now: float,
) -> Looked:
    """Read the header of every model that the patterns take in, each file once.

    ``known`` are files that llm.toml names by a person's word; they are nobody else's. ``own`` are
    those that it names by sync's. ``now`` is the time by the clock of the disks.
    """
    places = [*_places(rules, sources)]
    taken = {seen for path in known if (seen := _identity(path)) is not None}
    items = [item for item in _scanned(places, sources) if is_wanted(rules, _label(item))]
    candidates: list[tuple[_SeenFile, GgufFacts]] = []
    left: list[SkippedFile] = []
    projectors: dict[Path, list[Path]] = {}
    for item in items:
        if item.identity in taken:
            continue
        taken.add(item.identity)
        read = _read(item, rules, sources, now)
        if isinstance(read, SkippedFile):
            left.append(read)
        elif _is_projector(read):
            projectors.setdefault(item.found.path.parent, []).append(item.found.path)
        elif _is_model(read):
            candidates.append((item, read))
    made = (_candidate(item, facts, sources, projectors) for item, facts in candidates)
    empty = [*_empty(places)]
    lost = {ref: why for ref in own if (why := _lost(ref, empty, sources))}
    gone = frozenset(ref for ref in own if _identity(path_of(ref, sources)) is None)
    return Looked(tuple(made), tuple(left), lost, gone)


def _places(rules: Sync, sources: Sources) -> Iterator[tuple[str, Path | None]]:
    stores = sources.stores
    known = {
        "models": sources.models,
        "ollama": stores.ollama,
        "lm_studio": stores.lm_studio,
        "llama_cpp": stores.llama_cpp,
        "hub": stores.hub,
    }
    yield from ((name, known[name]) for name in rules.stores)
    yield from (("folder", local_path(name, sources)) for name in rules.folders)


def _scanned(places: Iterable[tuple[str, Path | None]], sources: Sources) -> Iterator[_SeenFile]:
    for store, folder in places:
        if folder is None:
            continue
        for item in _scan(store, folder):
            try:
                seen = item.path.stat()
            except OSError:
                # It went while others were looked at.
                continue
            found = FoundFile(_ref(store, item, sources), item.path, seen.st_size)
            identity = (seen.st_dev, seen.st_ino)
            yield _SeenFile(found, store, folder, identity, seen.st_size, seen.st_mtime)


def _scan(store: str, folder: Path) -> Iterator[FoundFile]:
    match store:
        case "ollama":
            return scan(Stores(ollama=folder))
        case "lm_studio":
            return scan(Stores(lm_studio=folder))
        case _:
            return scan(Stores(), others=[folder])


def _ref(store: str, item: FoundFile, sources: Sources) -> ModelRef:
    """The reference as llm.toml would have it: below the models folder, below the home, whole."""
    if store in {"ollama", "lm_studio"}:
        return item.ref
    if item.path.is_relative_to(sources.models):
        return f"file:{item.path.relative_to(sources.models).as_posix()}"
    return f"file:{spelled(item.path, sources.home)}"


def _label(item: _SeenFile) -> str:
    """What people call it: its name in Ollama, else its path below its store."""
    if item.store == "ollama":
        return item.found.ref.removeprefix("ollama:")
    return item.found.path.relative_to(item.folder).as_posix()


def _identity(path: Path | None) -> tuple[int, int] | None:
    try:
        seen = path.stat() if path is not None else None
    except OSError:
        return None
    if seen is None:
        return None
    return seen.st_dev, seen.st_ino


def _read(item: _SeenFile, rules: Sync, sources: Sources, now: float) -> GgufFacts | SkippedFile:
    path, label = item.found.path, _label(item)

    def left(why: str) -> SkippedFile:
        return SkippedFile(item.found.ref, label, why)

    if not _NAME.fullmatch(str(path)):
        return left("its name cannot stand in llm.toml")
    if os.path.lexists(f"{path}{_UNFINISHED}"):
        return left("its download is not finished")
    # A time to come is that of another clock: of such files only changes tell.
    if item.store != "ollama" and 0 <= now - item.mtime < rules.settle:
        return left("it is still being written")
    try:
        facts = read_gguf(item.found.ref, sources)
    except InputError as error:
        return left(error.diagnostics[0].message)
    if _moved(item) or _is_fresh(item, facts, rules, now):
        return left("it is still being written")
    return facts


def _moved(item: _SeenFile) -> bool:
    """Whether the file is another one by now."""
    try:
        seen = item.found.path.stat()
    except OSError:
        return True
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime) != (
        *item.identity,
        item.size,
        item.mtime,
    )


def _is_fresh(item: _SeenFile, facts: GgufFacts, rules: Sync, now: float) -> bool:
    """Whether another part of a split model is still being written."""
    others = (Path(file.name).name for file in facts.files[1:])
    try:
        times = [item.found.path.with_name(name).stat().st_mtime for name in others]
    except OSError:
        return True
    return any(0 <= now - time < rules.settle for time in times)


def _is_projector(facts: GgufFacts) -> bool:
    kind = facts.hyperparameters.get("general.type")
    return kind == "mmproj" or facts.architecture == PROJECTOR


def _is_model(facts: GgufFacts) -> bool:
    kind = facts.hyperparameters.get("general.type")
    family = architecture(facts.architecture).family
    return kind not in _PARTS and family not in _NO_MODEL and bool(facts.tensors)


def _candidate(
    item: _SeenFile, facts: GgufFacts, sources: Sources, projectors: Mapping[Path, Sequence[Path]]
) -> StoreModel:
    kind, _, name = item.found.ref.partition(":")
    key = {"ollama": "ollama", "lmstudio": "lm_studio"}.get(kind, "model")
    beside = _projectors(item, sources, projectors) if made_for(facts) == "chat" else ()
    with_eyes = {"mmproj": _named(beside[0], sources)} if len(beside) == 1 else {}
    return StoreModel(item.found.ref, _label(item), {key: name, **with_eyes}, facts)


def _projectors(
    item: _SeenFile, sources: Sources, projectors: Mapping[Path, Sequence[Path]]
) -> Sequence[Path]:
    """Ollama says which is whose; elsewhere both have a folder of their own."""
    if item.store == "ollama":
        blob = ollama_blob(sources.stores.ollama, item.found.ref.removeprefix("ollama:"))
        return blob.projectors
    folder = item.found.path.parent
    return projectors.get(folder, ()) if folder != item.folder else ()


def _named(path: Path, sources: Sources) -> str:
    if path.is_relative_to(sources.models):
        return path.relative_to(sources.models).as_posix()
    return spelled(path, sources.home)


def path_of(ref: ModelRef, sources: Sources) -> Path | None:
    """Where the file of a local reference is, or would be; None where there is no such store."""
    kind, _, name = ref.partition(":")
    match kind:
        case "file":
            return local_path(name, sources)
        case "lmstudio" if sources.stores.lm_studio is not None:
            return sources.stores.lm_studio / name
        case "ollama" if sources.stores.ollama is not None:
            try:
                return ollama_blob(sources.stores.ollama, name).path
            except InputError:
                return None
        case _:
            return None


def _lost(ref: ModelRef, empty: Iterable[Path], sources: Sources) -> str:
    """Why nothing can be said of a file now; empty when its store is there."""
    kind = ref.partition(":")[0]
    if kind == "ollama" and sources.stores.ollama is None:
        return "Ollama's store is not there now"
    if kind == "lmstudio" and sources.stores.lm_studio is None:
        return "LM Studio's folder is not there now"
    path = path_of(ref, sources) or sources.stores.ollama or Path("/")
    there = (folder for folder in empty if path.is_relative_to(folder))
    return next((f"nothing at all is in `{folder}`" for folder in there), "")


def _empty(places: Iterable[tuple[str, Path | None]]) -> Iterator[Path]:
    """Folders that are not there, or have nothing in them."""
    for _, folder in places:
        try:
            if folder is not None and not any(folder.iterdir()):
                yield folder
        except OSError:
            if folder is not None:
                yield folder

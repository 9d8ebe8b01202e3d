"""The model files that pods open: where they are in the claim, and how large they have to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from llmgen.engines.container import MODELS
from llmgen.facts.gguf_facts import ModelRef
from llmgen.facts.lock_model import Entry, Lock
from llmgen.library import Model
from llmgen.resolve.references import references
from llmgen.targets.containers.inside import files, template, within

if TYPE_CHECKING:
    from llmgen.targets.kubernetes.scene import App, ClusterScene

# Of a file that the lock does not know: it only has to be there.
ANY_SIZE = -1


def opened(app: App, scene: ClusterScene) -> dict[PurePosixPath, int]:
    """Every file or folder below the models' that an app opens, with its size in bytes."""
    found = dict(_opened(app, scene.cluster.lock)) if mounted(app) else {}
    return {path: size for path, size in sorted(found.items()) if path.is_relative_to(MODELS)}


def mounted(app: App) -> bool:
    """Whether an app sees the claim."""
    return any(mount.kind == "models" for mount in app.container.mounts)


def _opened(app: App, lock: Lock) -> Iterator[tuple[PurePosixPath, int]]:
    library = app.plan.library
    for model in library.models:
        # What was read of the machine's llm.toml says nothing of its size.
        yield from ((path, ANY_SIZE) for path in files(model, library.layout))
        if (path := template(model, library.layout)) is not None:
            yield path, ANY_SIZE
    folders = library.contained.folders if library.contained else {}
    for entry in _entries(app, lock).values():
        for file in entry.facts.files:
            yield within(library.host.model(file.name), folders), file.size_bytes


def _entries(app: App, lock: Lock) -> Mapping[ModelRef, Entry]:
    """What the lock knows of an app's models, but for what a server loads by itself."""
    own = {item.name for item in app.plan.library.models if loads_itself(item)}
    config = app.unit.config
    return {
        ref: lock.entries[ref]
        for ref, key in references(config).items()
        if ref in lock.entries and f"{config.naming.prefix}{key[1]}" not in own
    }


def loads_itself(model: Model) -> bool:
    """Whether its server gets the model from the Hub when it starts."""
    told = model.served.model if model.served is not None else ""
    return bool(told) and not told.startswith("/")


def size_bytes(scene: ClusterScene) -> int:
    """Bytes of all files that any pod opens, each counted once."""
    found: dict[PurePosixPath, int] = {}
    for app in scene.serving:
        found |= opened(app, scene)
    return sum(size for size in found.values() if size > 0)


def downloads(scene: ClusterScene) -> dict[ModelRef, Entry]:
    """What `llmgen pull` gets from the Hub for the pods, sorted."""
    if scene.table.llmgen_image is None:
        return {}
    found: dict[ModelRef, Entry] = {}
    for app in scene.serving:
        found |= {
            ref: one for ref, one in _entries(app, scene.cluster.lock).items() if one.revision
        }
    return dict(sorted(found.items()))

"""ConfigMaps with a program's files, called by their content: a rollout is a changed name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

from msgspec import Struct

from llmgen.artifacts import Artifact
from llmgen.targets.kubernetes.names import Object, meta, short

# An object may have 1 MiB of data (validation of ConfigMaps); a name and quotes come on top.
MOST_BYTES: Final = 900_000


class ConfigMapEntry(Struct, frozen=True):
    """A file, or a part of one, in a ConfigMap: its key there, and its path in the folder."""

    map: str
    key: str
    path: str
    mode: int


class ConfigMaps(Struct, frozen=True):
    """The ConfigMaps of some files, and where each is; ``parts`` is how many each file has."""

    maps: tuple[Object, ...]
    entries: tuple[ConfigMapEntry, ...]
    parts: dict[str, int]


def projected(entries: Sequence[ConfigMapEntry]) -> Object:
    """The volume with these files, for everybody to read."""
    maps: dict[str, list[Object]] = {}
    for entry in entries:
        maps.setdefault(entry.map, []).append({"key": entry.key, "path": entry.path})
    sources = [{"configMap": {"name": name, "items": items}} for name, items in maps.items()]
    return {"defaultMode": 0o444, "sources": sources}


def part(path: str, number: int) -> str:
    """The path of a part of a file that no ConfigMap can hold."""
    return f"{path}.part{number:03}"


def config_maps(app: str, component: str, namespace: str, files: Sequence[Artifact]) -> ConfigMaps:
    """The files by their paths; what no ConfigMap can hold is in several parts."""
    pieces = [piece for item in files for piece in _pieces(item)]
    maps: list[Object] = []
    entries: list[ConfigMapEntry] = []
    for group in _groups(pieces):
        data = {key: text for _, key, _, text in group}
        name = f"{short(app, 52)}-{_digest(data)}"
        made = meta(name, app, component, namespace)
        maps.append(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": made,
                "immutable": True,
                "data": data,
            }
        )
        entries += [ConfigMapEntry(name, key, path, mode) for path, key, mode, _ in group]
    counts = {str(item.path): sum(1 for _ in _pieces(item)) for item in files}
    return ConfigMaps(tuple(maps), tuple(entries), {path: n for path, n in counts.items() if n > 1})


def _pieces(item: Artifact) -> Iterator[tuple[str, str, int, str]]:
    """(path, key, mode, text) of a file, or of each of its parts."""
    path, text = str(item.path), item.content.decode()
    if len(item.content) <= MOST_BYTES:
        yield path, _key(path), item.mode, text
        return
    for number, start in enumerate(range(0, len(text), MOST_BYTES // 4)):
        name = part(path, number)
        yield name, _key(name), item.mode, text[start : start + MOST_BYTES // 4]


def _key(path: str) -> str:
    return path.replace("/", "__")


def _groups(
    pieces: Sequence[tuple[str, str, int, str]],
) -> Iterator[list[tuple[str, str, int, str]]]:
    """The pieces in order, as many in each group as a ConfigMap holds."""
    group: list[tuple[str, str, int, str]] = []
    size = 0
    for piece in pieces:
        length = len(piece[3].encode())
        if group and size + length > MOST_BYTES:
            yield group
            group, size = [], 0
        group.append(piece)
        size += length
    if group:
        yield group


def _digest(data: dict[str, str]) -> str:
    text = json.dumps(data, sort_keys=True, ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:10]

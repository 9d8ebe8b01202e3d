"""Images in objects: which there are, and what stands in their place in an environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from llmgen.targets.kubernetes.names import Object

# The lists of an object, at any depth, whose entries have an image.
_LISTS = ("containers", "initContainers")


def split(image: str) -> tuple[str, str]:
    """(name, `:TAG`, `@DIGEST` or both) of an image; a registry's port is no tag."""
    plain, at, digest = image.partition("@")
    slash = plain.rfind("/") + 1
    path, colon, tag = plain[slash:].partition(":")
    return plain[:slash] + path, f"{colon}{tag}{at}{digest}"


def images(items: Iterator[Object]) -> tuple[str, ...]:
    """Every image of the objects, sorted."""
    found: set[str] = set()

    def look(image: str) -> str:
        found.add(image)
        return image

    for item in items:
        mapped(item, look)
    return tuple(sorted(found))


def mapped(item: Object, change: Callable[[str], str]) -> Object:
    """The object with each of its images changed."""
    return {key: _mapped(value, change, key) for key, value in item.items()}


def _mapped(value: object, change: Callable[[str], str], key: str) -> object:
    if isinstance(value, dict):
        return {name: _mapped(item, change, name) for name, item in value.items()}
    if not isinstance(value, list):
        return value
    found = [_mapped(item, change, "") for item in value]
    return [_changed(item, change) for item in found] if key in _LISTS else found


def _changed(item: object, change: Callable[[str], str]) -> object:
    if isinstance(item, dict) and isinstance(item.get("image"), str):
        return {**item, "image": change(item["image"])}
    return item


def replaced(image: str, table: Mapping[str, str]) -> str:
    """What stands in the place of an image; what names neither tag nor digest keeps its own."""
    name, version = split(image)
    if name not in table:
        return image
    other, own = split(table[name])
    return other + (own or version)

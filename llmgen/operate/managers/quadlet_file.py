"""What a quadlet file says of the service that podman's generator makes of it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

# Suffix of the file, and what the generator puts behind its name (podman-systemd.unit(5)).
_MADE: Final = {
    ".container": "",
    ".network": "-network",
    ".volume": "-volume",
    ".image": "-image",
    ".build": "-build",
    ".pod": "-pod",
}


def is_one(path: PurePosixPath) -> bool:
    """Whether a file of this name is read by the generator."""
    return path.suffix in _MADE


def service(path: PurePosixPath) -> str:
    """The unit that is made of the file."""
    return f"{path.stem}{_MADE[path.suffix]}.service"


def network(path: PurePosixPath, text: str) -> str:
    """The name of the network that a file makes; empty for other files."""
    if path.suffix != ".network":
        return ""
    return next(_values(text, "NetworkName"), f"systemd-{path.stem}")


def mounts(text: str) -> Iterator[PurePosixPath]:
    """Files and folders of the machine that the container sees."""
    for value in _values(text, "Volume"):
        source = value.strip('"').split(":", 1)[0]
        if source.startswith("/"):
            yield PurePosixPath(source)
    for value in _values(text, "Mount"):
        yield from (PurePosixPath(path) for path in _sources(value) if path.startswith("/"))


def _sources(value: str) -> Iterator[str]:
    """The sources of a mount, which is one line of comma-separated values."""
    text = value.removeprefix('"').removesuffix('"') if value.startswith('"type=') else value
    for field in next(csv.reader([text]), []):
        name, _, source = field.partition("=")
        if name in ("source", "src"):
            yield source


def _values(text: str, key: str) -> Iterator[str]:
    for line in text.splitlines():
        name, is_set, value = line.partition("=")
        if is_set and name.strip() == key:
            yield value.strip()

"""What an installed compose file says: which program runs it, its services, what they mount."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from msgspec import Struct

NAME: Final = "compose.yaml"
# What compose puts in place of `${...}`; it reads the file by itself.
VALUES: Final = ".env"
# Compose leaves such keys alone; the targets write which program the file is for.
PROGRAM_KEY: Final = "x-llmgen"
_USUAL: Final = "docker"


class ComposeService(Struct, frozen=True):
    """One service: the container's name, and what it mounts."""

    name: str
    container: str
    text: str
    mounts: tuple[PurePosixPath, ...]


class ComposeFile(Struct, frozen=True):
    """A compose file: ``program`` is the one whose `compose` runs it."""

    program: str
    services: tuple[ComposeService, ...]


def read(path: PurePosixPath, text: str) -> ComposeFile:
    """The file at ``path``; one that is no compose file has no services."""
    import yaml  # noqa: PLC0415 - few commands meet one

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        found = None
    found = found if isinstance(found, dict) else {}
    own = _mapping(found.get(PROGRAM_KEY))
    program = str(own.get("program") or _USUAL)
    secrets = _mapping(found.get("secrets"))
    rows = _mapping(found.get("services"))
    listed = (_service(name, _mapping(row), secrets, path) for name, row in rows.items())
    return ComposeFile(program, tuple(listed))


def _service(
    name: str, row: Mapping[str, Any], secrets: Mapping[str, Any], path: PurePosixPath
) -> ComposeService:
    import yaml  # noqa: PLC0415

    return ComposeService(
        name,
        str(row.get("container_name") or name),
        yaml.safe_dump(dict(row), sort_keys=True),
        tuple(path.parent / source for source in _sources(row, secrets)),
    )


def _sources(row: Mapping[str, Any], secrets: Mapping[str, Any]) -> Iterator[str]:
    """Files and folders of the machine, as the file writes them."""
    for item in row.get("volumes") or ():
        if isinstance(item, dict) and item.get("type") == "bind":
            yield str(item.get("source", ""))
        elif isinstance(item, str) and item.startswith(("/", ".")):
            yield item.split(":", 1)[0]
    for item in row.get("env_file") or ():
        yield str(item.get("path", "")) if isinstance(item, dict) else str(item)
    for item in row.get("secrets") or ():
        name = item.get("source") if isinstance(item, dict) else item
        file = _mapping(secrets.get(str(name))).get("file")
        if file:
            yield str(file)


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}

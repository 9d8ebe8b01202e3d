"""Images of llama.cpp, built by podman or docker from the generated Containerfile."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from llmgen.apply.failure import cannot_write
from llmgen.artifacts import Artifact
from llmgen.building.commands import image
from llmgen.building.logged_run import ProgressReport, streamed
from llmgen.building.source import SourceArchive, packed
from llmgen.errors import InputError


class Images(Struct, frozen=True):
    """What is built: files of the Containerfile's folder, and tag by stage.

    ``archive`` is the place of the source within the folder. ``arguments`` are the build's own.
    """

    program: str
    files: tuple[Artifact, ...]
    archive: str
    stages: tuple[tuple[str, str], ...]
    arguments: tuple[tuple[str, str], ...]
    work: Path

    @property
    def folder(self) -> Path:
        """The build's folder."""
        return self.work / "image"

    @property
    def log(self) -> Path:
        """What was said."""
        return self.work / "image.log"


def commands(images: Images) -> list[list[str]]:
    """One command for each image."""
    return [
        image(images.program, images.folder, stage, tag, images.arguments)
        for stage, tag in images.stages
    ]


def build(images: Images, source: SourceArchive | None, told: ProgressReport) -> None:
    """Build every image; without a source the Containerfile downloads its own.

    Layers that are there are taken as they are, and compiled files from the build's own cache.
    """
    try:
        _written(images.files, images.folder)
        archive = images.folder / images.archive
        if source is None:
            archive.unlink(missing_ok=True)
        else:
            packed(source, images.work / "tree", archive)
        images.log.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(cannot_write(images.folder, error)) from error
    for words in commands(images):
        streamed(words, images.log, told)


def _written(files: Iterable[Artifact], folder: Path) -> None:
    for item in files:
        path = folder.joinpath(*item.path.parts[1:])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item.content)

"""Command lines of a build: CMake's for a host, podman's or docker's for images; pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from llmgen.building.recipe import Flag


def configure(
    source: PurePath, folder: PurePath, generator: str, flags: Iterable[Flag]
) -> list[str]:
    """CMake reads the source and writes ``folder``."""
    words = ["cmake", "-S", str(source), "-B", str(folder), "-G", generator]
    return [*words, *(flag.word for flag in flags)]


def compiling(folder: PurePath, programs: Iterable[str], jobs: int) -> list[str]:
    """CMake compiles the programs, and what they need; again, only what is not there yet."""
    return ["cmake", "--build", str(folder), "--parallel", str(jobs), "--target", *programs]


def image(
    program: str, folder: PurePath, stage: str, tag: str, arguments: Iterable[tuple[str, str]]
) -> list[str]:
    """One stage of the Containerfile in ``folder`` becomes the image ``tag``."""
    # podman's own format has no HEALTHCHECK; docker draws over lines that are not for a terminal.
    own = ["--format", "docker"] if program == "podman" else ["--progress", "plain"]
    told = (word for name, value in arguments for word in ("--build-arg", f"{name}={value}"))
    file = str(folder / "Containerfile")
    return [
        program,
        "build",
        *own,
        "--file",
        file,
        "--target",
        stage,
        "--tag",
        tag,
        *told,
        str(folder),
    ]

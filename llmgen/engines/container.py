"""Containers as a wrapper: the command of any engine as arguments of podman or docker."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final, Literal

from msgspec import Struct

from llmgen.config.tables.base import ImageName, Port, Table, Text

# Where the models folder is within a container, and other folders of files that it needs.
MODELS: Final = "/models"
_OTHERS: Final = "/mnt"
# What a path may follow within a word of a command line.
_BEFORE: Final = r"(?<![^=,:\"])"
# Device files that each backend opens: the compute interface of AMD's driver, and the render nodes
# of every vendor but NVIDIA, whose cards have names of their own.
DEVICE_FILES: Final = {"rocm": ("/dev/kfd", "/dev/dri"), "vulkan": ("/dev/dri",)}
_ANY: Final = "0.0.0.0"  # noqa: S104 - within the container; it is published on loopback alone


class ContainerTable(Table):
    """[models.NAME.container]: the model's program runs in a container."""

    image: ImageName
    """The image."""
    runtime: Literal["podman", "docker"] = "podman"
    """The program that runs it; found on the PATH of whoever starts the model."""
    args: tuple[Text, ...] = ()
    """More options of its `run`, each word by itself."""
    port: Port | None = None
    """Port that the program listens on within; absent: the same as outside."""


class Wrapped(Struct, frozen=True):
    """A command in its container, and what stops it."""

    argv: tuple[str, ...]
    stop: tuple[str, ...]


class Outside(Struct, frozen=True):
    """What the machine has to give: its vendor's devices, folders, the published port."""

    backend: str
    devices: tuple[int, ...]
    models: PurePosixPath
    files: tuple[str, ...]
    port: str
    environment: tuple[str, ...]
    stop_seconds: int


def listens(container: ContainerTable | None, port: str) -> tuple[str, str]:
    """(address, port) that the program is told."""
    if container is None:
        return "127.0.0.1", port
    return _ANY, str(container.port or port)


def wrapped(
    container: ContainerTable,
    name: str,
    program: str,
    words: Iterable[str],
    outside: Outside,
    *,
    engine_args: tuple[str, ...] = (),
) -> Wrapped:
    """The whole command: run, its options, the image, the program's own words."""
    mounts = dict(_mounts(outside, tuple(words := (*words,))))
    inside = tuple(translated(word, mounts) for word in words)
    runtime = container.runtime
    return Wrapped(
        argv=(
            *(runtime, "run", "--rm", "--init", "--name", name),
            *("--publish", f"127.0.0.1:{outside.port}:{container.port or outside.port}"),
            *opened(runtime, outside),
            *(word for folder, place in mounts.items() for word in _volume(folder, place)),
            *(word for variable in outside.environment for word in ("--env", variable)),
            *engine_args,
            *container.args,
            *(("--entrypoint", program) if program else ()),
            container.image,
            *inside,
        ),
        stop=(runtime, "stop", "-t", str(outside.stop_seconds), name),
    )


def container_name(model: str) -> str:
    """The container's name: what both runtimes take."""
    return "llmgen-" + re.sub(r"[^A-Za-z0-9_.-]", "-", model)


def cdi(number: int) -> str:
    """The name of an NVIDIA card in the Container Device Interface."""
    return f"nvidia.com/gpu={number}"


def translated(word: str, mounts: Mapping[str, str]) -> str:
    """A word in which paths of the machine are those within the container."""
    for folder, place in mounts.items():
        word = re.sub(rf"{_BEFORE}{re.escape(folder)}(?=/|$)", place, word)
    return word


def _mounts(outside: Outside, words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Folders that the words speak of, the models' first."""
    models = str(outside.models)
    if any(translated(word, {models: MODELS}) != word for word in words):
        yield models, MODELS
    others = dict.fromkeys(
        str(PurePosixPath(file).parent)
        for file in outside.files
        if not PurePosixPath(file).is_relative_to(outside.models)
    )
    for number, folder in enumerate(others):
        yield folder, f"{_OTHERS}/{number}"


def _volume(folder: str, place: str) -> tuple[str, str]:
    return "--volume", f"{folder}:{place}:ro"


def opened(runtime: str, outside: Outside) -> Iterator[str]:
    """What opens the devices of each vendor."""
    if not outside.devices:
        return
    match outside.backend, runtime:
        case "cuda", "podman":
            for number in outside.devices:
                yield from ("--device", cdi(number))
        case "cuda", _:
            # Docker reads the value as comma-separated, so the list is quoted within.
            yield from ("--gpus", f'"device={",".join(map(str, outside.devices))}"')
        case backend, _:
            files = DEVICE_FILES.get(backend, ())
            yield from (word for file in files for word in ("--device", file))
            yield from _groups(runtime) if files else ()


def _groups(runtime: str) -> tuple[str, ...]:
    """The groups that may open them: podman keeps those of the user, docker knows them by name."""
    if runtime == "podman":
        return ("--group-add", "keep-groups")
    return ("--group-add", "video", "--group-add", "render")

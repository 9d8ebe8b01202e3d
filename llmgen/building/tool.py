"""llama.cpp's tools on a model of llm.toml, on the host or in the tools' image; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from msgspec import Struct

from llmgen.building.image import FOLDER, LABEL, tools_image
from llmgen.engines.container import MODELS, Outside, opened, translated
from llmgen.library import Library, Model

# In a word: the model's path, for tools that want it elsewhere than behind `--model`.
MARK: Final = "{model}"
# Tools whose files are words of their own, not behind an option.
POSITIONAL: Final = frozenset({"llama-quantize", "llama-gguf-split"})
# Where the folder that llmgen was called in is within the container.
WORK: Final = "/work"


class Caller(Struct, frozen=True):
    """Who asks, from where: the container's user, and the folder that results go to."""

    user: int
    group: int
    folder: PurePosixPath
    terminal: bool


def is_contained(library: Library) -> bool:
    """Whether the stack runs in containers, and its tools with it."""
    return library.config.services.runtime != "native" or library.config.containers.build


def program_of(library: Library) -> str:
    """What runs the containers: podman has quadlets, and compose either."""
    config = library.config
    return "podman" if config.services.runtime == "quadlet" else config.containers.program


def words(tool: str, model: Model | None, told: Sequence[str]) -> tuple[str, ...]:
    """What follows the program's name: the model's path where it belongs, then as told."""
    if model is None:
        return tuple(told)
    path = str(model.path)
    if any(MARK in word for word in told):
        return tuple(word.replace(MARK, path) for word in told)
    return tuple(told) if tool in POSITIONAL else ("--model", path, *told)


def on_host(library: Library, tool: str, words: Iterable[str]) -> tuple[str, ...]:
    """The command on this machine: tools are where llama-server is."""
    return (str(library.layout.llama_server.parent / tool), *words)


def in_image(
    library: Library, program: str, words: Sequence[str], caller: Caller
) -> tuple[str, ...]:
    """The command in the image: the vendor's devices, models read-only, this folder writable."""
    runtime = program_of(library)
    mounts = {str(library.layout.models): MODELS}
    return (
        *(runtime, "run", "--rm", "--init", "--interactive"),
        *(("--tty",) if caller.terminal else ()),
        *("--label", "=".join(LABEL)),
        *_owner(runtime, caller),
        *("--network", "none", "--cap-drop", "all", "--security-opt", "no-new-privileges"),
        *opened(runtime, _outside(library)),
        *("--volume", f"{library.layout.models}:{MODELS}:ro"),
        *("--volume", f"{caller.folder}:{WORK}", "--workdir", WORK),
        *(
            word
            for name, value in library.machine.environment
            for word in ("--env", f"{name}={value}")
        ),
        *("--entrypoint", program),
        tools_image(library).reference,
        *(translated(word, mounts) for word in words),
    )


def in_image_program(tool: str) -> str:
    """Where a tool is in the image."""
    return f"{FOLDER}/{tool}"


def entered(
    library: Library, service: str, words: Sequence[str], caller: Caller
) -> tuple[str, ...]:
    """A command in the running container of a service; without words, a shell."""
    return (
        *(program_of(library), "exec", "--interactive"),
        *(("--tty",) if caller.terminal else ()),
        f"llmgen-{service}",
        *(words or ("/bin/sh",)),
    )


def copied(library: Library, tool: str, folder: str, name: str) -> Iterator[tuple[str, ...]]:
    """The commands that bring a program out of its image: a container that never runs."""
    runtime = program_of(library)
    image = tools_image(library).reference
    yield (runtime, "create", "--name", name, "--label", "=".join(LABEL), image)
    yield (runtime, "cp", f"{name}:{in_image_program(tool)}", folder)
    yield (runtime, "rm", name)


def _owner(runtime: str, caller: Caller) -> tuple[str, ...]:
    """Files belong to whoever asked: rootless podman maps that user, others are told it."""
    if runtime == "podman" and caller.user:
        return ("--userns", "keep-id")
    return ("--user", f"{caller.user}:{caller.group}")


def _outside(library: Library) -> Outside:
    machine = library.machine
    return Outside(
        backend=machine.backend,
        devices=tuple(range(len(machine.devices))),
        models=library.layout.models,
        files=(),
        port="",
        environment=(),
        stop_seconds=0,
    )

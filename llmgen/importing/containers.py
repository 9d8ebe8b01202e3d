"""`docker run` and its kin: what a container runs, with paths and ports of the machine outside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

Runtime: TypeAlias = Literal["podman", "docker"]
RUNTIMES: Final[tuple[Runtime, ...]] = ("podman", "docker")
# Options of `run` that take no value (docker's and podman's reference pages).
_SWITCHES: Final = frozenset(
    {
        "-d", "--detach", "-i", "--interactive", "-t", "--tty", "-it", "-ti", "-dit", "-itd", "-id",
        "-P", "--publish-all", "--rm", "--init", "--privileged", "--read-only", "--no-healthcheck",
        "--oom-kill-disable", "--sig-proxy", "--replace", "--no-hosts", "--tls-verify", "-q",
        "--quiet", "--rmi", "--read-only-tmpfs",
    }
)  # fmt: skip
# What llmgen writes by itself, in every spelling.
_OWN: Final = frozenset(
    {
        "-d", "--detach", "-i", "--interactive", "-t", "--tty", "-it", "-ti", "-dit", "-itd", "-id",
        "--rm", "--init", "--replace", "-p", "--publish", "--name", "--restart", "--gpus", "-v",
        "--volume", "-e", "--env", "--entrypoint", "--pull",
    }
)  # fmt: skip
_SERVER: Final = re.compile(
    r"(^|/)(ik[-_])?(llama[.-]?cpp|llama-server|llama\.cpp-[\w-]+)([:@/]|$)"
)
# Devices that a vendor's containers open; llmgen gives them by itself.
_DEVICES: Final = ("/dev/kfd", "/dev/dri", "nvidia.com/gpu=")


class Volume(Struct, frozen=True):
    """A folder or file of the machine, and where it is within the container."""

    outside: str
    inside: str
    options: str = ""


class ImportedContainer(Struct, frozen=True):
    """One container: its image and the words that run in it; ``args`` are options without a key.

    ``devices`` are numbers of the devices that it is given, None where nothing says which.
    """

    runtime: Runtime
    image: str
    words: tuple[str, ...] = ()
    entrypoint: str = ""
    name: str = ""
    volumes: tuple[Volume, ...] = ()
    ports: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    devices: tuple[int, ...] | None = None
    args: tuple[str, ...] = ()

    @property
    def is_llama_server(self) -> bool:
        """Whether llama.cpp's server is what runs, by its image or its entry point."""
        program = PurePosixPath(self.entrypoint or (self.words[0] if self.words else "")).name
        return "llama-server" in program or bool(_SERVER.search(self.image))

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words of the program, without itself where it stands first."""
        first = PurePosixPath(self.words[0]).name if self.words else ""
        begins = first in ("llama-server", "server") or first.startswith("llama-server")
        return self.words[1:] if begins else self.words

    @property
    def inside_port(self) -> int:
        """The port that is published, within."""
        return next((int(inside) for _, inside in self.ports if inside.isdigit()), 0)

    @property
    def outside_port(self) -> str:
        """The port of the machine that leads there, or the macro that stands for it."""
        return next((outside for outside, _ in self.ports), "")


def run_of(words: Sequence[str]) -> ImportedContainer | None:
    """What `docker run …` or `podman run …` starts; None for another command."""
    program = PurePosixPath(words[0]).name if words else ""
    runtime = next((item for item in RUNTIMES if item == program), None)
    rest = [*words[1:]]
    if runtime is None or not rest:
        return None
    if rest[0] == "container":
        rest = rest[1:]
    if not rest or rest[0] != "run":
        return None
    options: list[tuple[str, str | None]] = []
    at = 1
    while at < len(rest) and rest[at].startswith("-"):
        option, equals, value = rest[at].partition("=")
        at += 1
        if equals:
            options.append((option, value))
        elif option in _SWITCHES:
            options.append((option, None))
        else:
            options.append((option, rest[at] if at < len(rest) else ""))
            at += 1
    if at >= len(rest):
        return None
    return _container(runtime, rest[at], rest[at + 1 :], options)


def _container(
    runtime: Runtime, image: str, words: Sequence[str], options: list[tuple[str, str | None]]
) -> ImportedContainer:
    told: dict[str, list[str]] = {}
    for option, value in options:
        told.setdefault(_LONG.get(option, option), []).append(value or "")
    return ImportedContainer(
        runtime=runtime,
        image=image,
        words=tuple(words),
        entrypoint=(told.get("--entrypoint") or [""])[-1],
        name=(told.get("--name") or [""])[-1],
        volumes=tuple(
            found
            for text in (*told.get("--volume", ()), *map(_mounted, told.get("--mount", ())))
            if (found := volume(text)) is not None
        ),
        ports=tuple(map(published, told.get("--publish", ()))),
        environment=tuple(
            (name, value) for name, _, value in (t.partition("=") for t in told.get("--env", ()))
        ),
        devices=_devices(told),
        args=tuple(_more(options)),
    )


_LONG: Final = {"-v": "--volume", "-p": "--publish", "-e": "--env"}


def volume(text: str) -> Volume | None:
    """`OUTSIDE:INSIDE[:OPTIONS]`; None for a volume without a name."""
    outside, colon, rest = text.partition(":")
    inside, _, options = rest.partition(":")
    return Volume(outside, inside.rstrip("/") or "/", options) if colon and inside else None


def _mounted(text: str) -> str:
    """`type=bind,source=A,target=B,readonly` as `A:B`."""
    parts = dict(part.partition("=")[::2] for part in text.split(","))
    outside = parts.get("source") or parts.get("src") or ""
    inside = parts.get("target") or parts.get("destination") or parts.get("dst") or ""
    return f"{outside}:{inside}"


def published(text: str) -> tuple[str, str]:
    """(port of the machine, port within) of `[ADDRESS:]OUTSIDE:INSIDE[/tcp]`."""
    parts = text.partition("/")[0].split(":")
    return (parts[-2] if len(parts) > 1 else parts[-1]), parts[-1]


def _devices(told: Mapping[str, list[str]]) -> tuple[int, ...] | None:
    """Numbers from `--gpus '"device=0,1"'` or `--device nvidia.com/gpu=0`."""
    gpus = (told.get("--gpus") or [""])[-1].strip("\"'")
    found = gpus.partition("device=")[2].strip("\"'").split(",") if "device=" in gpus else []
    found += [
        text.partition("nvidia.com/gpu=")[2]
        for text in told.get("--device", ())
        if text.startswith("nvidia.com/gpu=")
    ]
    return tuple(map(int, found)) if found and all(item.isdigit() for item in found) else None


def _more(options: Iterable[tuple[str, str | None]]) -> Iterator[str]:
    """Options that llmgen has no key for, as words of `args`."""
    for option, value in options:
        if option in _OWN or (option == "--device" and str(value).startswith(_DEVICES)):
            continue
        if option == "--mount":
            continue
        yield option if value is None else f"{option}={value}"


def outside(word: str, volumes: Iterable[Volume]) -> str:
    """A path within the container as the one of the machine; other words as they are."""
    for item in sorted(volumes, key=lambda found: -len(found.inside)):
        place = item.inside
        if word == place or word.startswith(place.rstrip("/") + "/"):
            return item.outside.rstrip("/") + word[len(place.rstrip("/")) :]
    return word


def table(container: ImportedContainer) -> dict[str, Any]:
    """[models.NAME.container] of it; llmgen mounts the folders of models itself."""
    found: dict[str, Any] = {"image": container.image, "runtime": container.runtime}
    llama = container.is_llama_server
    words = (*container.arguments, *(value for _, value in container.environment))
    args = [
        *container.args,
        *(
            f"--volume={item.outside}:{item.inside}" + (f":{item.options}" if item.options else "")
            for item in container.volumes
            if not llama or all(outside(word, [item]) == word for word in words)
        ),
    ]
    if args:
        found["args"] = args
    if container.inside_port:
        found["port"] = container.inside_port
    return found

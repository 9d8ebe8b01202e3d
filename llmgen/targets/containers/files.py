"""The files that the containers read: each service's configuration, and what fills its secrets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from types import ModuleType

from msgspec.structs import replace

from llmgen.artifacts import Artifact, Render
from llmgen.gateway.secrets import MANIFEST, placeholder
from llmgen.plan.plan import Plan
from llmgen.targets import envoy, litellm, llama_server, llama_swap
from llmgen.targets.containers.container import Container

# What renders the configuration of a service.
_TARGETS: dict[str, ModuleType] = {
    "swap": llama_swap,
    "router": llama_server,
    "envoy": envoy,
    "litellm": litellm,
}


def files(inner: Plan, found: Iterable[Container], render: Render) -> Iterator[Artifact]:
    """The files of the stack's containers, by their place below the folder of all of them."""
    for item in found:
        if (target := _TARGETS.get(item.name)) is not None:
            yield from target.artifacts(inner, render)
        yield from _secrets(item)


def _secrets(item: Container) -> Iterator[Artifact]:
    """For each secret a file that is nothing but its place, and the manifest that fills them."""
    if item.manifest is None:
        return
    folder = PurePosixPath("secrets", item.name)
    for one in item.manifest.files:
        yield Artifact(folder / one.name, f"{placeholder(one.name)}\n".encode(), "")
    yield Artifact(folder / MANIFEST, item.manifest.content(), "")


def placed(
    item: Artifact, target: str, below: PurePosixPath, install: PurePosixPath | None
) -> Artifact:
    """The file below another folder, rendered by another target, to be installed elsewhere."""
    place = install / item.path if install is not None else None
    return replace(item, path=below / item.path, target=target, install=place)

"""The Containerfile: llama.cpp compiled by the recipe, its tools, llama-swap and Envoy at need."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from llmgen.artifacts import Artifact, Render
from llmgen.building import recipe
from llmgen.building.bases import base
from llmgen.building.image import FOLDER, LABEL, image_of
from llmgen.plan.plan import Plan
from llmgen.targets.llama_swap import load_seconds

NAME = "containerfile"
SUMMARY = "Containerfile: llama.cpp with all its tools, compiled for this machine's GPUs"

# User and group of the programs: nobody's on ordinary systems, and llama-swap's own image's.
USER: Final = 10001
# In sources/ of the build's folder an archive is taken in the place of a download.
SOURCES: Final = "sources"
LLAMA_ARCHIVE: Final = "llama.cpp.tar.gz"
SWAP_ARCHIVE: Final = "llama-swap.tar.gz"
_RELEASES: Final = "https://github.com/mostlygeek/llama-swap/releases/download"


def in_use(plan: Plan) -> bool:
    """Whether an image is built from it."""
    return plan.library.config.containers.build


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """The Containerfile, what of its folder a build may see, and the place of archives."""
    if not plan.placements:
        return
    files = {
        "Containerfile": _containerfile(plan, render),
        ".dockerignore": render("containerfile/dockerignore.j2"),
        f"{SOURCES}/README.txt": render(
            "containerfile/sources.txt.j2", llama=LLAMA_ARCHIVE, swap=SWAP_ARCHIVE
        ),
    }
    for name, content in files.items():
        yield Artifact(PurePosixPath(NAME, name), content, NAME, install=_place(plan, name))


def _place(plan: Plan, name: str) -> PurePosixPath | None:
    """Beside the other files where an image is built from it."""
    return plan.library.layout.config / NAME / name if in_use(plan) else None


def _containerfile(plan: Plan, render: Render) -> bytes:
    library = plan.library
    told, machine = library.config.llama_cpp.recipe, library.machine
    gpus = recipe.architectures(told, machine.architecture)
    url = told.source if told.source and told.source.startswith("https://") else ""
    version = library.swap_version
    return render(
        "containerfile/Containerfile.j2",
        base=base(machine.backend, machine.toolkit, told),
        backend=machine.backend,
        build=library.build,
        gpus=gpus,
        url=url or source_url(library.build),
        digest=(told.digest or "").removeprefix("sha256:"),
        flags=[
            (shlex.quote(flag.word), flag.why)
            for flag in recipe.flags(machine.backend, library.build, told, gpus)
        ],
        programs=recipe.PROGRAMS,
        jobs=told.jobs,
        job_kib=recipe.job_bytes(machine.backend) // 1024,
        job_gib=recipe.job_bytes(machine.backend) // 2**30,
        folder=FOLDER,
        user=USER,
        label=LABEL,
        archives=(LLAMA_ARCHIVE, SWAP_ARCHIVE),
        start_seconds=load_seconds(library, plan.placements),
        swap_version=version,
        swap_url=f"{_RELEASES}/v{version}/llama-swap_{version}_linux",
        envoy=image_of(library, "envoy").reference if library.config.gateway.envoy.enable else "",
        envoy_program=image_of(library, "envoy").programs["envoy"],
    )


def source_url(build: int) -> str:
    """The archive of a build's tag."""
    return f"https://github.com/ggml-org/llama.cpp/archive/refs/tags/b{build}.tar.gz"

"""Which image each part of a stack runs from: as told, built here, or the publishers' own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct

from llmgen.library import Library

ImagePart: TypeAlias = Literal["llama_server", "llama_swap", "envoy", "litellm", "open_webui"]
PARTS: Final[tuple[ImagePart, ...]] = get_args(ImagePart)
# On everything of a stack that a container program keeps: containers, volumes, networks, images.
LABEL: Final = ("io.llmgen.stack", "llmgen")
# Where our images and the published ones have llama.cpp's programs and llama-swap.
FOLDER: Final = "/app"

_LLAMA: Final = "ghcr.io/ggml-org/llama.cpp"
_SWAP: Final = "ghcr.io/mostlygeek/llama-swap"
# The versions that the tests run.
_OTHERS: Final[Mapping[ImagePart, str]] = {
    "envoy": "docker.io/envoyproxy/envoy:v1.40.0",
    "litellm": "ghcr.io/berriai/litellm:v1.106.2",
    "open_webui": "ghcr.io/open-webui/open-webui:v0.12.4",
}
_PROGRAMS: Final[Mapping[ImagePart, Mapping[str, str]]] = {
    "llama_server": {"llama_server": f"{FOLDER}/llama-server"},
    "llama_swap": {
        "llama_server": f"{FOLDER}/llama-server",
        "llama_swap": f"{FOLDER}/llama-swap",
    },
    "envoy": {"envoy": "/usr/local/bin/envoy"},
    # Found on the image's own PATH, which differs by release.
    "litellm": {"litellm": "litellm"},
    "open_webui": {},
}


class Image(Struct, frozen=True):
    """An image of one part: its full name, whether it is built here, its programs' paths.

    ``key`` is the key of [containers] that names another one.
    """

    part: ImagePart
    reference: str
    built: bool
    programs: Mapping[str, str]

    @property
    def is_pinned(self) -> bool:
        """Whether its name holds a digest, so that it can only be this one."""
        return "@sha256:" in self.reference

    @property
    def key(self) -> str:
        """The key of [containers] that says which one it is."""
        return "image" if self.part == "llama_server" else f"{self.part}_image"


def image_of(library: Library, part: ImagePart) -> Image:
    """The image of a part of this stack."""
    table = library.config.containers
    told: str | None = getattr(table, "image" if part == "llama_server" else f"{part}_image")
    built = told is None and table.build and part in ("llama_server", "llama_swap")
    usual = _built if built else _published
    return Image(part, told or usual(library, part), built, _PROGRAMS[part])


def tools_image(library: Library) -> Image:
    """The image with llama.cpp's tools: what is built has them, of what is published ``full``."""
    server = image_of(library, "llama_server")
    if server.built or library.config.containers.image is not None:
        return server
    return Image(
        "llama_server",
        server.reference.replace(":server", ":full", 1),
        built=False,
        programs=server.programs,
    )


def images(library: Library) -> Iterator[Image]:
    """Every part's image."""
    for part in PARTS:
        yield image_of(library, part)


def variant(backend: str, toolkit: str = "") -> str:
    """How llama.cpp's and llama-swap's publishers call a backend in their tags.

    `cuda` is CUDA 12 there: GPUs that only CUDA 13 knows need `cuda13`.
    """
    if backend == "cuda" and toolkit.partition(".")[0] == "13":
        return "cuda13"
    return "cpu" if backend == "metal" else backend


def _published(library: Library, part: ImagePart) -> str:
    kind = variant(library.machine.backend, library.machine.toolkit)
    match part:
        case "llama_server":
            return f"{_LLAMA}:server{'' if kind == 'cpu' else f'-{kind}'}-b{library.build}"
        case "llama_swap":
            return f"{_SWAP}:v{library.swap_version}-{kind}-b{library.build}-non-root"
        case _:
            return _OTHERS[part]


def _built(library: Library, part: ImagePart) -> str:
    backend, build = library.machine.backend, library.build
    if part == "llama_swap":
        return f"localhost/llmgen-llama-swap:v{library.swap_version}-b{build}-{backend}"
    return f"localhost/llmgen-llama-cpp:b{build}-{backend}"

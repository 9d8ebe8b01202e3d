"""stable-diffusion.cpp's server: images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmgen.config.tables.base import Text
from llmgen.engines.base import Engine, Listen, Served, flags
from llmgen.engines.keys import Program


class DiffusionOptions(Program):
    """sd-server's keys; files are below [paths] models."""

    diffusion_model: Text | None = None
    """The diffusion model alone, instead of a whole one in `model` (`--diffusion-model`)."""
    vae: Text | None = None
    """The VAE (`--vae`)."""
    clip_l: Text | None = None
    """The CLIP-L text encoder (`--clip_l`)."""
    clip_g: Text | None = None
    """The CLIP-G text encoder (`--clip_g`)."""
    t5xxl: Text | None = None
    """The T5 text encoder (`--t5xxl`)."""
    llm: Text | None = None
    """The language model that reads prompts (`--llm`)."""
    diffusion_fa: bool | None = None
    """Flash attention in the diffusion model (`--diffusion-fa`)."""
    offload_to_cpu: bool | None = None
    """Weights rest in host memory (`--offload-to-cpu`)."""


_FILES: Final = {
    "diffusion_model": "--diffusion-model",
    "vae": "--vae",
    "clip_l": "--clip_l",
    "clip_g": "--clip_g",
    "t5xxl": "--t5xxl",
    "llm": "--llm",
}
_FLAGS: Final = {
    "threads": "--threads",
    "diffusion_fa": "--diffusion-fa",
    "offload_to_cpu": "--offload-to-cpu",
}


def words(served: Served, listen: Listen) -> Iterator[str]:
    """Model files and address."""
    if served.model:
        yield from ("--model", served.model)
    yield from flags(served, _FILES)
    yield from ("--listen-ip", listen.host, "--listen-port", listen.port)
    yield from flags(served, _FLAGS)
    yield from served.extra_args


ENGINE: Final = Engine(
    name="stable-diffusion",
    summary="stable-diffusion.cpp's server: images",
    program="sd-server",
    options=DiffusionOptions,
    keys=frozenset({*DiffusionOptions.model_fields, "model", "threads", "device", "extra_args"}),
    roles=("image",),
    # It has no page for health; it listens when the model is loaded.
    health="/v1/models",
    paths=("/v1/images/generations", "/v1/images/edits"),
    files=tuple(_FILES),
    start_seconds=300,
    container_program="sd-server",
    other_sources=("diffusion_model",),
    words=words,
)

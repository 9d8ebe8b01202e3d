"""The engines: one line for each module."""

from __future__ import annotations

from typing import Final

from llmgen.engines import (
    command,
    llama_server,
    mlx,
    sglang,
    stable_diffusion,
    tei,
    vllm,
    whisper,
)
from llmgen.engines.base import Engine

_MODULES: Final = (llama_server, vllm, sglang, mlx, whisper, stable_diffusion, tei, command)
ENGINES: Final[dict[str, Engine]] = {item.ENGINE.name: item.ENGINE for item in _MODULES}
# What a model runs on where llm.toml names nothing.
USUAL: Final = llama_server.ENGINE


class EngineKeys(*(engine.options for engine in ENGINES.values())):  # type: ignore[misc]  # all
    """Keys of [models.NAME] that one engine or a few know."""

"""Keys that several engines have, as tables to inherit: one home for each key."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from llmgen.config.tables.base import Count, DeviceName, Size, Table, Text, Word


class DeclaredMemory(Table):
    """What nobody can compute."""

    memory: Annotated[dict[DeviceName, Size], Field(min_length=1)] | Literal["all"] | None = None
    """What the process takes, by device: `{ gpu0 = "11.5GiB", host = "2GiB" }`; `"all"`: all that
    models may use, so nothing is loaded beside it. Needed where nothing was measured."""
    upstream_model: Text | None = None
    """The name that the program itself wants to hear; absent: any of the model's names."""


class Program(DeclaredMemory):
    """The engine's program."""

    program: Text | None = None
    """The engine's program; absent: [paths] engines, else its usual name in /usr/local/bin."""


class HubOptions(Table):
    """Options of engines that read safetensors."""

    dtype: Word | None = None
    """Type of weights and activations (`--dtype`)."""


class Torch(HubOptions):
    """Options that vLLM and SGLang share."""

    quantization: Word | None = None
    """How weights are quantised (`--quantization`); absent: as config.json says."""
    kv_cache_dtype: Word | None = None
    """Type of the KV cache (`--kv-cache-dtype`)."""
    trust_remote_code: bool | None = None
    """Run Python code from the model's repository (`--trust-remote-code`)."""
    tool_call_parser: Word | None = None
    """How tool calls are read from answers (`--tool-call-parser`)."""
    reasoning_parser: Word | None = None
    """How thoughts are told from answers (`--reasoning-parser`)."""


class Claimed(Table):
    """What clients are told where the engine itself has no such option."""

    ctx_size: Annotated[Count, Field(ge=1)] | None = None
    """Context in tokens."""
    parallel: Annotated[Count, Field(ge=1)] | None = None
    """Requests served at the same time."""

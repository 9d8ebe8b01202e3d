"""vLLM: `vllm serve`, a fraction of each device as its reservation."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Annotated, Final

from pydantic import Field

from llmgen.config.tables.base import Count
from llmgen.engines.base import TEXT_PATHS, Engine, Listen, Served, flags
from llmgen.engines.keys import Program, Torch
from llmgen.engines.memory import ALL, Basis, Claim, Room, stated
from llmgen.engines.reserving import Reservation
from llmgen.reservation.checkpoint import ReservationSettings
from llmgen.reservation.feasibility import RESERVING

# vLLM's own default; written all the same, so that plan and process agree.
UTILIZATION: Final = 0.9
# Its own default is 256 and more, far beyond what clients of one machine send.
SLOTS: Final = 64


class VllmOptions(Torch, Program):
    """vLLM's keys."""

    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    """Part of each device that vLLM reserves (`--gpu-memory-utilization`); absent: 0.9."""
    tensor_parallel_size: Annotated[Count, Field(ge=1)] | None = None
    """Devices that share each layer (`--tensor-parallel-size`)."""
    pipeline_parallel_size: Annotated[Count, Field(ge=1)] | None = None
    """Devices that share the layers (`--pipeline-parallel-size`)."""
    max_model_len: Annotated[Count, Field(ge=1)] | None = None
    """Context of one request in tokens (`--max-model-len`); absent: the model's own."""
    max_num_seqs: Annotated[Count, Field(ge=1)] | None = None
    """Requests in one batch (`--max-num-seqs`)."""
    max_num_batched_tokens: Annotated[Count, Field(ge=1)] | None = None
    """Tokens in one step (`--max-num-batched-tokens`)."""
    enforce_eager: bool | None = None
    """No CUDA graphs: less memory, slower (`--enforce-eager`)."""
    enable_auto_tool_choice: bool | None = None
    """The model may call tools by itself (`--enable-auto-tool-choice`)."""


_FLAGS: Final = {
    "tensor_parallel_size": "--tensor-parallel-size",
    "pipeline_parallel_size": "--pipeline-parallel-size",
    "max_model_len": "--max-model-len",
    "max_num_seqs": "--max-num-seqs",
    "max_num_batched_tokens": "--max-num-batched-tokens",
    "dtype": "--dtype",
    "quantization": "--quantization",
    "kv_cache_dtype": "--kv-cache-dtype",
    "enforce_eager": "--enforce-eager",
    "enable_auto_tool_choice": "--enable-auto-tool-choice",
    "tool_call_parser": "--tool-call-parser",
    "reasoning_parser": "--reasoning-parser",
    "trust_remote_code": "--trust-remote-code",
}


def words(served: Served, listen: Listen) -> Iterator[str]:
    """`serve MODEL` with every option that moves memory."""
    yield from ("serve", served.model)
    if served.revision:
        yield from ("--revision", served.revision)
    yield from ("--host", listen.host, "--port", listen.port)
    # It answers to the names that it is told alone.
    yield from ("--served-model-name", *served.names)
    yield from ("--gpu-memory-utilization", f"{utilization(served):g}")
    yield from flags(served, _FLAGS)
    yield from served.extra_args


def utilization(served: Served) -> float:
    """The part of each device that it reserves."""
    return float(served.get("gpu_memory_utilization", UTILIZATION))


def devices(served: Served, room: Room) -> tuple[str, ...]:
    """As many as its workers, from the first where llm.toml names none."""
    count = served.get("tensor_parallel_size", 1) * served.get("pipeline_parallel_size", 1)
    return (served.devices or room.devices)[:count]


def claims(served: Served, room: Room) -> tuple[Claim, ...]:
    """The reserved part of each device, and what is stated of the host."""
    keys, part = devices(served, room), utilization(served)
    beside = stated(served.memory, served.measured, room, reserved=keys)
    if served.memory == ALL:
        return beside
    return (*(_reserved(served, room, key, part) for key in keys), *beside)


def _reserved(served: Served, room: Room, key: str, part: float) -> Claim:
    if served.get("pipeline_parallel_size", 1) > 1:
        # Which layers are on which device is another rule.
        return Claim(key, ceil(part * room.sizes[key]), Basis.RESERVED, f"{part:g} of the device")
    settings = ReservationSettings(
        tensor_parallel_size=served.get("tensor_parallel_size", 1),
        max_model_len=served.get("max_model_len", 0),
        dtype=served.get("dtype", "auto"),
        kv_cache_dtype=served.get("kv_cache_dtype", "auto"),
        batch_tokens=served.get("max_num_batched_tokens", 0),
        sequences=served.get("max_num_seqs", 0),
    )
    own = Reservation(RESERVING["vllm"], served, settings, part, "max_model_len")
    return own.claim(room, key)


def context(served: Served) -> int:
    """What one request can use; 0: as the model says."""
    return int(served.get("max_model_len", 0))


def slots(served: Served) -> int:
    """Requests of one batch."""
    return int(served.get("max_num_seqs", SLOTS))


def calls_tools(served: Served) -> bool:
    """Only with a parser for them."""
    return served.get("tool_call_parser") is not None


ENGINE: Final = Engine(
    name="vllm",
    summary="vLLM: safetensors models, a fraction of each device",
    program="vllm",
    options=VllmOptions,
    keys=frozenset(
        {*VllmOptions.model_fields, "model", "hf_repo", "revision", "device", "extra_args"}
    ),
    roles=("chat", "vision", "completion", "embedding", "rerank", "transcription"),
    paths=(
        *TEXT_PATHS,
        "/v1/responses",
        "/v1/messages",
        "/v1/embeddings",
        "/v1/rerank",
        "/v1/audio/transcriptions",
        "/tokenize",
    ),
    insists=True,
    key_variable="VLLM_API_KEY",
    # Weights, compilation and CUDA graphs: minutes for large models.
    start_seconds=900,
    # Its workers share tensors through the host's shared memory (docs/deployment/docker.md).
    container_args=("--ipc=host",),
    container_program="vllm",
    reads_checkpoints=True,
    words=words,
    claims=claims,
    devices=devices,
    context=context,
    slots=slots,
    calls_tools=calls_tools,
    # Keys are asked for below /v1 alone.
    has_metrics=True,
    running=("vllm:num_requests_running", "vllm:num_requests_waiting"),
)

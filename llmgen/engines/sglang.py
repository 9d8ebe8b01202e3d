"""SGLang: `python -m sglang.launch_server`, a fraction of each device for weights and cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field

from llmgen.config.tables.base import Count
from llmgen.engines.base import TEXT_PATHS, Engine, Listen, Served, flags
from llmgen.engines.keys import Program, Torch
from llmgen.engines.memory import ALL, Claim, Room, stated
from llmgen.engines.reserving import Reservation
from llmgen.reservation.checkpoint import ReservationSettings
from llmgen.reservation.feasibility import RESERVING

# Its own default depends on the device; written all the same, so that plan and process agree.
FRACTION: Final = 0.88
SLOTS: Final = 64


class SglangOptions(Torch, Program):
    """SGLang's keys."""

    mem_fraction_static: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Part of each device for weights and KV cache (`--mem-fraction-static`); absent: 0.88."""
    tp_size: Annotated[Count, Field(ge=1)] | None = None
    """Devices that share each layer (`--tp-size`)."""
    context_length: Annotated[Count, Field(ge=1)] | None = None
    """Context of one request in tokens (`--context-length`); absent: the model's own."""
    max_running_requests: Annotated[Count, Field(ge=1)] | None = None
    """Requests served at the same time (`--max-running-requests`)."""
    chunked_prefill_size: Annotated[Count, Field(ge=-1)] | None = None
    """Tokens of a prompt in one step (`--chunked-prefill-size`)."""


_FLAGS: Final = {
    "tp_size": "--tp-size",
    "context_length": "--context-length",
    "max_running_requests": "--max-running-requests",
    "chunked_prefill_size": "--chunked-prefill-size",
    "dtype": "--dtype",
    "quantization": "--quantization",
    "kv_cache_dtype": "--kv-cache-dtype",
    "tool_call_parser": "--tool-call-parser",
    "reasoning_parser": "--reasoning-parser",
    "trust_remote_code": "--trust-remote-code",
}


def words(served: Served, listen: Listen) -> Iterator[str]:
    """The launcher's module with every option that moves memory."""
    yield from ("-m", "sglang.launch_server", "--model-path", served.model)
    if served.revision:
        yield from ("--revision", served.revision)
    yield from ("--host", listen.host, "--port", listen.port)
    yield from ("--served-model-name", served.name)
    yield from ("--mem-fraction-static", f"{fraction(served):g}")
    if served.role in ("embedding", "rerank"):
        yield "--is-embedding"
    yield from flags(served, _FLAGS)
    yield from served.extra_args


def fraction(served: Served) -> float:
    """The part of each device for weights and cache."""
    return float(served.get("mem_fraction_static", FRACTION))


def devices(served: Served, room: Room) -> tuple[str, ...]:
    """As many as its workers, from the first where llm.toml names none."""
    return (served.devices or room.devices)[: served.get("tp_size", 1)]


def claims(served: Served, room: Room) -> tuple[Claim, ...]:
    """Weights and cache by the fraction; graphs and activations, which come beside it."""
    keys = devices(served, room)
    beside = stated(served.memory, served.measured, room, reserved=keys)
    if served.memory == ALL:
        return beside
    return (*(_reserved(served, room, key) for key in keys), *beside)


def _reserved(served: Served, room: Room, key: str) -> Claim:
    settings = ReservationSettings(
        tensor_parallel_size=served.get("tp_size", 1),
        max_model_len=served.get("context_length", 0),
        dtype=served.get("dtype", "auto"),
        kv_cache_dtype=served.get("kv_cache_dtype", "auto"),
        batch_tokens=max(0, served.get("chunked_prefill_size", 0)),
        sequences=served.get("max_running_requests", 0),
    )
    part = fraction(served)
    own = Reservation(RESERVING["sglang"], served, settings, part, "context_length")
    return own.claim(room, key)


def context(served: Served) -> int:
    """What one request can use; 0: as the model says."""
    return int(served.get("context_length", 0))


def slots(served: Served) -> int:
    """Requests served at the same time."""
    return int(served.get("max_running_requests", SLOTS))


def calls_tools(served: Served) -> bool:
    """Only with a parser for them."""
    return served.get("tool_call_parser") is not None


ENGINE: Final = Engine(
    name="sglang",
    summary="SGLang: safetensors models, a fraction of each device",
    program="python3",
    options=SglangOptions,
    keys=frozenset(
        {*SglangOptions.model_fields, "model", "hf_repo", "revision", "device", "extra_args"}
    ),
    roles=("chat", "vision", "completion", "embedding", "rerank"),
    paths=(*TEXT_PATHS, "/v1/embeddings", "/v1/rerank"),
    start_seconds=900,
    container_args=("--ipc=host",),
    container_program="python3",
    reads_checkpoints=True,
    words=words,
    claims=claims,
    devices=devices,
    context=context,
    slots=slots,
    calls_tools=calls_tools,
)

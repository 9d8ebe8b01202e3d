"""What a server takes beside weights and cache: it is measured when it starts, here only estimated.

No header tells it. The servers profile it on the device; the figures are used where something is
proposed, never to refuse.
"""

from __future__ import annotations

from typing import Final

from llmgen.facts.checkpoint_model import CheckpointFacts
from llmgen.reservation.checkpoint import (
    ReservationSettings,
    element_bytes,
    heads,
    is_latent,
    number,
    value,
)
from llmgen.units import GIB, MIB

# vllm/engine/arg_utils.py `get_batch_defaults`: batch tokens and sequences of the API server, by
# the device's memory.
_BATCHES: Final = ((160 * GIB, 16384, 1024), (70 * GIB, 8192, 1024), (0, 2048, 256))
# Asynchronous scheduling keeps two batches (vllm/config/vllm.py `max_concurrent_batches`).
_CONCURRENT: Final = 2
# CUDA graphs, the libraries' workspaces and NCCL's buffers together; vLLM reports 0.3 to 1 GiB.
_GRAPHS: Final = GIB
# The sampler's profile run holds logits, their softmax and a sorted copy, in float32
# (vllm/v1/worker/gpu_model_runner.py `_dummy_sampler_run`).
_LOGITS: Final = 3 * 4


def batch(settings: ReservationSettings, device: int) -> tuple[int, int]:
    """Tokens and sequences of one step."""
    usual = next((tokens, count) for least, tokens, count in _BATCHES if device >= least)
    return settings.batch_tokens or usual[0], settings.sequences or usual[1]


def in_flight(tokens: int) -> int:
    """Tokens of all steps that are under way at once."""
    return tokens * _CONCURRENT


def vllm_working(
    facts: CheckpointFacts, settings: ReservationSettings, tokens: int, sequences: int
) -> int:
    """An estimate for vLLM: the largest layer's activations, the sampler, CUDA graphs."""
    parts = settings.tensor_parallel_size
    hidden = number(facts, "hidden_size")
    inner = number(facts, "intermediate_size", 4 * hidden)
    query, _ = heads(facts)
    # Residual, its norm and the layer's output; gate, up and their product.
    wide = 3 * hidden + 3 * inner // parts + query * number(facts, "head_dim", hidden // query)
    words = number(facts, "vocab_size", 0) if value(facts, "vocab_size") is not None else 0
    return (
        _GRAPHS + tokens * wide * element_bytes(facts, settings.dtype) + sequences * words * _LOGITS
    )


# sglang/srt/arg_groups/memory_hook.py: chunked prefill and the largest graph batch by memory, with
# less than four devices and with more.
_SGLANG: Final = (
    (160 * GIB, 16384, 512, 512),
    (90 * GIB, 8192, 256, 512),
    (60 * GIB, 8192, 256, 512),
    (35 * GIB, 4096, 32, 160),
    (20 * GIB, 4096, 48, 160),
    (0, 2048, 8, 8),
)


def sglang_working(facts: CheckpointFacts, settings: ReservationSettings, device: int) -> int:
    """SGLang's own estimate of activations and graphs, which are beside its static fraction.

    memory_hook.py, the rule for `mem_fraction_static` that nobody set, and `reserve_for_graph_mb`.
    """
    parts = settings.tensor_parallel_size
    _, usual, few, many = next(row for row in _SGLANG if device >= row[0])
    tokens = max(2048, settings.batch_tokens or usual)
    batches = many if parts >= 4 else few
    graphs = 2 * min(batches, settings.sequences or batches) + (
        1536 if is_latent(facts) else 8 * 64
    )
    reserved = 512 + tokens * 1.5 + parts / 8 * 1024 + graphs
    if device > 60 * GIB:
        reserved = max(reserved, 10 * 1024)
    return int(reserved * MIB)

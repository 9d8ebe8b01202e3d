"""KV bytes: of one token, and of one sequence as vLLM and SGLang make room for it."""

from __future__ import annotations

from math import ceil
from typing import Final

from llmgen.facts.checkpoint_model import CheckpointFacts
from llmgen.reservation.attention import Attention, CacheReach
from llmgen.reservation.checkpoint import NotComputedError, ReservationSettings, element_bytes

# vllm/config/cache.py `DEFAULT_BLOCK_SIZE`; kernels for latent attention want 64
# (vllm/v1/attention/backends/mla/flashmla.py), larger ones waste less than a block more.
_BLOCK: Final = 16
_LATENT_BLOCK: Final = 64
# vllm/utils/torch_utils.py `STR_DTYPE_TO_TORCH_DTYPE`; the packed kinds (nvfp4, turboquant, int4 …)
# have scales that each backend lays out in its own way.
_CACHE_BYTES: Final = {
    "bfloat16": 2,
    "float16": 2,
    "bf16": 2,
    "half": 2,
    "float32": 4,
    **dict.fromkeys(("fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc"), 1),
}
# mla_attention.py `get_kv_cache_spec`: with sparse attention fp8 means this packed layout.
_FP8_DS_MLA: Final = 656


def cache_bytes(facts: CheckpointFacts, settings: ReservationSettings) -> int:
    """Bytes of one element of the cache."""
    told = settings.kv_cache_dtype
    if told == "auto":
        # vllm/utils/torch_utils.py `get_kv_cache_quant_algo_string`: ModelOpt's files say it.
        method = str(facts.config.get("quantization_config.quant_method", ""))
        algorithm = facts.config.get("quantization_config.kv_cache_quant_algo")
        if method.startswith("modelopt") and str(algorithm).lower() == "fp8":
            return 1
        return element_bytes(facts, settings.dtype)
    if told not in _CACHE_BYTES:
        raise NotComputedError(
            f"a cache of the type `{told}` is laid out by each backend in its own way"
        )
    return _CACHE_BYTES[told]


def token_bytes(attention: Attention, element: int) -> int:
    """Bytes of one token in one layer."""
    if attention.latent and attention.index_bytes and element == 1:
        return _FP8_DS_MLA + attention.index_bytes
    return attention.elements * element + attention.index_bytes


def bytes_per_token(attention: Attention, element: int) -> int:
    """Bytes that each further token of a sequence takes while every layer still keeps it."""
    return token_bytes(attention, element) * sum(attention.layers.values())


def vllm_sequence(attention: Attention, element: int, length: int, in_flight: int) -> int:
    """Bytes without which vLLM does not start: one sequence of ``length`` tokens.

    vllm/v1/core/kv_cache_planning.py `_max_memory_usage_bytes_from_groups`: layers of one kind
    make groups of one size, each group takes blocks from one pool, and a block is as large as a
    group has layers.
    """
    layers = {reach: count for reach, count in attention.layers.items() if count}
    if not layers:
        return 0
    block = _LATENT_BLOCK if attention.latent else _BLOCK
    fewest, most = min(layers.values()), max(layers.values())
    # `_get_kv_cache_groups_uniform_page_size`: nearly equal kinds are filled up instead of split.
    group = most if most < fewest * 1.5 else fewest
    blocks = sum(
        ceil(count / group) * _blocks(attention, reach, length, in_flight, block)
        for reach, count in layers.items()
    )
    return blocks * group * block * token_bytes(attention, element)


def _blocks(
    attention: Attention, reach: CacheReach, length: int, in_flight: int, block: int
) -> int:
    """Blocks of one layer (vllm/v1/kv_cache_interface.py, each kind's `max_memory_usage_bytes`)."""
    match reach:
        case CacheReach.FULL:
            return ceil(length / block)
        case CacheReach.SLIDING:
            return ceil(min(attention.window - 1 + in_flight, length) / block) + 1
        case CacheReach.CHUNKED:
            return ceil(min(attention.chunk + in_flight, length) / block)


# sglang/srt/arg_groups/fields/schedule.py, fallback of `swa_full_tokens_ratio`.
SWA_FULL_TOKENS_RATIO: Final = 0.8


def sglang_sequence(
    attention: Attention, element: int, length: int, ratio: float = SWA_FULL_TOKENS_RATIO
) -> int:
    """Bytes of SGLang's pools that hold one sequence of ``length`` tokens.

    sglang/srt/model_executor/pool_configurator.py: `DefaultPoolConfigurator` has one pool,
    `HybridSWAPoolConfigurator` a second one for sliding layers with ``ratio`` times its tokens,
    more than a window (`validate_swa_pool_size`).
    """
    each = token_bytes(attention, element)
    full = attention.layers.get(CacheReach.FULL, 0)
    sliding = attention.layers.get(CacheReach.SLIDING, 0)
    if attention.layers.get(CacheReach.CHUNKED):
        full += attention.layers[CacheReach.CHUNKED]
    if not sliding:
        return each * full * length
    if not full:
        return each * sliding * length
    tokens = max(length, ceil((attention.window + 2) / ratio))
    return each * (full * tokens + sliding * int(tokens * ratio))

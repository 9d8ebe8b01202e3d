"""Which layers keep which cache: full attention, a sliding window, a local chunk, a latent."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final

from msgspec import Struct

from llmgen.facts.checkpoint_model import CheckpointFacts
from llmgen.reservation.checkpoint import (
    NotComputedError,
    head_width,
    heads,
    is_latent,
    layer_count,
    number,
    value,
)


class CacheReach(StrEnum):
    """How far back a layer's cache reaches."""

    FULL = "full_attention"
    SLIDING = "sliding_attention"
    CHUNKED = "chunked_attention"


class Attention(Struct, frozen=True):
    """What one device keeps for each token of each layer, in elements, and how many layers do.

    ``index_bytes`` are those of a sparse-attention indexer (DeepSeek V3.2), always stored alike.
    """

    layers: dict[CacheReach, int]
    kv_heads: int
    key_width: int
    value_width: int
    window: int = 0
    chunk: int = 0
    latent: bool = False
    index_bytes: int = 0

    @property
    def elements(self) -> int:
        """Elements of one token in one layer."""
        return self.kv_heads * (self.key_width + self.value_width)


# Models whose sliding layers are told by their kind alone (transformers' configuration classes):
# every second layer of Gemma 2, all but every sixth of Gemma 3.
_PATTERN: Final = {"gemma2": 2, "gemma3": 6, "gemma3_text": 6, "cohere2": 4}
# Layers that keep a state instead of a cache; its size is another rule for each of them.
_STATES: Final = frozenset({"linear_attention", "mamba", "mamba2", "conv", "recurrent"})
# vllm/model_executor/models/deepseek_v2.py, `DeepseekV32IndexerCache`: fp8 with a scale of four
# bytes for each 128 elements.
_INDEX_BLOCK: Final = 128


def read_attention(facts: CheckpointFacts, parts: int) -> Attention:
    """The cache of one of ``parts`` devices; NotComputedError says which layers are not known."""
    layers = _layers(facts)
    if is_latent(facts):
        # One latent and one rotary part, the same on every device (vllm/model_executor/layers/
        # attention/mla_attention.py `get_kv_cache_spec`: num_kv_heads=1, head_size_v=0).
        width = number(facts, "kv_lora_rank") + number(facts, "qk_rope_head_dim")
        index = number(facts, "index_head_dim", 0)
        return Attention(
            layers,
            1,
            width,
            0,
            latent=True,
            index_bytes=index + index // _INDEX_BLOCK * 4 if index else 0,
        )
    _, kv = heads(facts)
    if value(facts, "global_head_dim") not in {None, value(facts, "head_dim")}:
        raise NotComputedError("its full layers have other heads than its sliding ones")
    width = head_width(facts)
    return Attention(
        layers,
        # Each device has at least one KV head (vllm/config/model.py `get_num_kv_heads`).
        max(1, kv // parts),
        width,
        width,
        window=number(facts, "sliding_window", 0) if layers.get(CacheReach.SLIDING) else 0,
        chunk=number(facts, "attention_chunk_size", 0) if layers.get(CacheReach.CHUNKED) else 0,
    )


def _layers(facts: CheckpointFacts) -> dict[CacheReach, int]:
    count = layer_count(facts)
    kinds = _kinds(facts, count)
    # Gemma 3n: the last layers read the cache of earlier ones and keep none.
    kinds = kinds[: count - number(facts, "num_kv_shared_layers", 0)] or kinds[:0]
    odd = sorted(set(kinds) - {reach.value for reach in CacheReach})
    if odd:
        what = "keep a state whose size is not computed" if _STATES & set(odd) else "are not known"
        raise NotComputedError(f"its layers of the kind `{odd[0]}` {what}")
    return {CacheReach(kind): amount for kind, amount in sorted(Counter(kinds).items())}


def _kinds(facts: CheckpointFacts, count: int) -> list[str]:
    told = value(facts, "layer_types")
    if isinstance(told, tuple):
        kinds = [str(kind) for kind in told[:count]]
        if len(kinds) < count:
            raise NotComputedError("config.json has fewer `layer_types` than layers")
        return [_without_window(facts, kind) for kind in kinds]
    if facts.architecture in {"mamba", "mamba2", "jamba", "falcon_h1", "nemotron_h", "zamba2"}:
        raise NotComputedError(
            "its layers of the kind `mamba` keep a state whose size is not computed"
        )
    if not _has_window(facts):
        return [CacheReach.FULL.value] * count
    kind = str(value(facts, "model_type") or facts.architecture)
    pattern = number(facts, "sliding_window_pattern", _PATTERN.get(kind, 0))
    if pattern:
        full = [(layer + 1) % pattern == 0 for layer in range(count)]
        return [CacheReach.FULL.value if is_full else CacheReach.SLIDING.value for is_full in full]
    return [CacheReach.SLIDING.value] * count


def _without_window(facts: CheckpointFacts, kind: str) -> str:
    return CacheReach.FULL.value if kind == CacheReach.SLIDING and not _has_window(facts) else kind


def _has_window(facts: CheckpointFacts) -> bool:
    """Qwen2 and its kin name a window that `use_sliding_window = false` takes back."""
    return (
        value(facts, "sliding_window") is not None
        and value(facts, "use_sliding_window") is not False
    )

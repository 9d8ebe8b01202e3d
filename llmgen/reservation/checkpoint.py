"""What a checkpoint's config.json says of its language model, checked as it is read."""

from __future__ import annotations

from msgspec import Struct

from llmgen.facts.checkpoint_model import CheckpointFacts
from llmgen.facts.gguf_facts import HeaderValue

# No published model is near these; what is beyond is damage, and would only make endless sums.
_MOST = 2**31
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


class NotComputedError(Exception):
    """Why nothing can be said of a checkpoint: one sentence without a full stop."""


class ReservationSettings(Struct, frozen=True):
    """The options of a server that change what a device must hold.

    ``dtype`` and ``kv_cache_dtype`` are the servers' own words; 0 is what the server or the model
    has by itself. ``batch_tokens`` and ``sequences`` are those of one step.
    """

    tensor_parallel_size: int = 1
    max_model_len: int = 0
    dtype: str = "auto"
    kv_cache_dtype: str = "auto"
    batch_tokens: int = 0
    sequences: int = 0


def value(facts: CheckpointFacts, key: str) -> HeaderValue | None:
    """A value of the language model: of `text_config` where there is one, else of the whole.

    So does transformers' `PretrainedConfig.get_text_config`, which vLLM and SGLang ask.
    """
    nested = facts.config.get(f"text_config.{key}")
    return facts.config.get(key) if nested is None else nested


def number(facts: CheckpointFacts, key: str, default: int | None = None) -> int:
    """A positive whole number; NotComputedError where it is missing or is none."""
    found = value(facts, key)
    if found is None and default is not None:
        return default
    if type(found) is not int or not 0 < found < _MOST:
        raise NotComputedError(f"config.json says no usable `{key}`")
    return found


def heads(facts: CheckpointFacts) -> tuple[int, int]:
    """Query heads and KV heads."""
    query = number(facts, "num_attention_heads")
    return query, number(facts, "num_key_value_heads", query)


def head_width(facts: CheckpointFacts) -> int:
    """Elements of one head (vllm/transformers_utils/model_arch_config_convertor.py)."""
    query, _ = heads(facts)
    return number(facts, "head_dim", number(facts, "hidden_size") // query)


def layer_count(facts: CheckpointFacts) -> int:
    """Layers that run; a multi-token-prediction head stands behind them in the files."""
    return number(facts, "num_hidden_layers")


def element_bytes(facts: CheckpointFacts, dtype: str) -> int:
    """Bytes of one element of the weights that are not quantised.

    "auto" takes what config.json says, and float32 becomes a half-precision type
    (vllm/config/model.py, `_resolve_auto_dtype`).
    """
    told = value(facts, "dtype") or value(facts, "torch_dtype") or "bfloat16"
    found = (
        str(told) if dtype == "auto" else {"half": "float16", "float": "float32"}.get(dtype, dtype)
    )
    if dtype == "auto" and found == "float32":
        return 2
    if found not in _BYTES:
        raise NotComputedError(f"the weights' type `{found}` is not one that vLLM runs")
    return _BYTES[found]


def longest_trained(facts: CheckpointFacts) -> int:
    """Tokens for which the model was trained, what `max_model_len` is where nobody says."""
    return number(facts, "max_position_embeddings")


def divides(facts: CheckpointFacts, parts: int) -> None:
    """NotComputedError where the model cannot be split into ``parts``.

    vllm/config/model.py `verify_with_parallel_config`, and `divide` in layers/linear.py.
    """
    query, kv = heads(facts)
    if query % parts:
        raise NotComputedError(f"{query} attention heads cannot be split over {parts} devices")
    if not is_latent(facts) and max(kv, parts) % min(kv, parts):
        raise NotComputedError(f"{kv} KV heads cannot be split over {parts} devices")


def is_latent(facts: CheckpointFacts) -> bool:
    """Multi-head latent attention: one latent of `kv_lora_rank` for all heads."""
    return value(facts, "kv_lora_rank") is not None

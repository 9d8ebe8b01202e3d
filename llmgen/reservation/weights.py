"""Bytes of a checkpoint's tensors on one of the devices over which it is split."""

from __future__ import annotations

from math import ceil, prod
from typing import Final

from msgspec import Struct

from llmgen.facts.checkpoint_model import CheckpointFacts, StoredGroup
from llmgen.facts.safetensors import BITS
from llmgen.reservation.checkpoint import (
    ReservationSettings,
    divides,
    element_bytes,
    heads,
    is_latent,
    layer_count,
    number,
    value,
)
from llmgen.reservation.layer_classes import (
    INPUTS_FIRST,
    STACKED,
    TensorSplit,
    is_beside_text,
    split_of,
)

# vllm/model_executor/layers/vocab_parallel_embedding.py `DEFAULT_VOCAB_PADDING_SIZE`.
_VOCABULARY_PADDING: Final = 64
# Floating-point parameters of a layer are made in the model's type, whatever the file stores; these
# are made as they are stored (scales of quantised layers, deepseek_v2.py's routing correction).
_AS_STORED: Final = (
    "scale",
    "scale_inv",
    "scale_2",
    "e_score_correction_bias",
    "A_log",
    "zero_point",
)
_FLOATS: Final = frozenset({"F64", "F32", "F16", "BF16"})
# MXFP4 experts are padded for the kernels (vllm/model_executor/layers/fused_moe/oracle/mxfp4.py
# `mxfp4_round_up_hidden_size_and_intermediate_size`): 128 is the least that CUDA's kernels take for
# both; some pad the hidden size to 256.
_MXFP4_TILE: Final = 128


class DeviceWeights(Struct, frozen=True):
    """Bytes of one device: as the files split them, and what the server makes of them besides."""

    loaded: int
    prepared: int

    @property
    def total(self) -> int:
        """Both."""
        return self.loaded + self.prepared


def weights(facts: CheckpointFacts, settings: ReservationSettings) -> DeviceWeights:
    """The device that holds most; NotComputedError where the model cannot be split so."""
    parts = settings.tensor_parallel_size
    divides(facts, parts)
    size = element_bytes(facts, settings.dtype)
    loaded = sum(
        _bytes(group, _share(group, facts, parts), size) * group.each * count
        for group in facts.tensors
        if (count := _loaded(group, facts))
    )
    return DeviceWeights(loaded, _absorbed(facts, parts, size) + _padding(facts, parts))


def _loaded(group: StoredGroup, facts: CheckpointFacts) -> int:
    """How many tensors (of those with one name in each layer) are loaded at all."""
    # A tied head is the embedding itself; a copy in the files is skipped (llama.py
    # `load_weights`, skip_prefixes).
    if "lm_head." in group.pattern and value(facts, "tie_word_embeddings") is True:
        return 0
    if not group.layers:
        return 1
    if is_beside_text(group.pattern) or ".layers.#" not in f".{group.pattern}":
        return len(group.layers)
    # Layers behind the last are multi-token-prediction heads, which only speculation loads
    # (deepseek_v2.py `get_spec_layer_idx_from_weight_name`).
    return sum(layer < layer_count(facts) for layer in group.layers)


def _share(group: StoredGroup, facts: CheckpointFacts, parts: int) -> tuple[int, ...]:
    """The shape of one device's part."""
    split, parameter = split_of(group.pattern)
    shape = group.shape
    if (
        split is TensorSplit.WHOLE
        or not shape
        or (parts == 1 and split is not TensorSplit.VOCABULARY)
    ):
        return shape
    if is_beside_text(group.pattern) and split in {TensorSplit.KEYS, TensorSplit.QUERIES_AND_KEYS}:
        split = TensorSplit.OUTPUTS
    outputs, inputs = _dimensions(group, parameter)
    match split:
        case TensorSplit.INPUTS:
            return _cut(shape, inputs, 1, parts)
        case TensorSplit.KEYS:
            # Fewer KV heads than devices: each device has a copy of one (linear.py
            # `QKVParallelLinear`, num_kv_head_replicas).
            return _cut(shape, outputs, 1, min(parts, heads(facts)[1]))
        case TensorSplit.QUERIES_AND_KEYS:
            query, kv = heads(facts)
            mine = query // parts + 2 * max(1, kv // parts)
            return _cut(shape, outputs, mine, query + 2 * kv)
        case TensorSplit.VOCABULARY if parameter == "weight":
            words = ceil(shape[0] / _VOCABULARY_PADDING) * _VOCABULARY_PADDING
            return (ceil(words / parts), *shape[1:])
        case _:
            return _cut(shape, outputs, 1, parts)


def _dimensions(group: StoredGroup, parameter: str) -> tuple[int, int]:
    """The places of outputs and inputs in a shape; -1 where the shape has none."""
    rank = len(group.shape)
    if parameter in INPUTS_FIRST:
        return (1, 0) if rank > 1 else (-1, 0)
    if ".experts." in group.pattern and parameter in STACKED:
        return (2, 1) if rank > 2 else (-1, -1)
    if parameter.endswith(("_blocks", "_scales", "_bias")) and ".experts." in group.pattern:
        return 1, (2 if rank > 2 else -1)
    # Experts in one tensor, outputs before inputs (Granite MoE).
    return (1, 2) if rank == 3 else (0, 1 if rank > 1 else -1)


def _cut(shape: tuple[int, ...], at: int, mine: int, of: int) -> tuple[int, ...]:
    """One dimension's share, the last partial block of a scale counted whole."""
    # One value for a whole row or column is on every device.
    if at < 0 or shape[at] == 1:
        return shape
    return (*shape[:at], ceil(shape[at] * mine / of), *shape[at + 1 :])


def _bytes(group: StoredGroup, shape: tuple[int, ...], size: int) -> int:
    stored = group.pattern.endswith(_AS_STORED) or group.type not in _FLOATS
    return ceil(prod(shape) * (BITS[group.type] if stored else size * 8) / 8)


def _absorbed(facts: CheckpointFacts, parts: int, size: int) -> int:
    """W_UK and W_UV, which latent attention takes out of `kv_b_proj` and keeps beside it.

    vllm/model_executor/layers/attention/mla_attention.py `process_weights_after_loading`.
    """
    if not is_latent(facts):
        return 0
    query, _ = heads(facts)
    widths = number(facts, "qk_nope_head_dim") + number(facts, "v_head_dim")
    return query // parts * number(facts, "kv_lora_rank") * widths * size * layer_count(facts)


def _padding(facts: CheckpointFacts, parts: int) -> int:
    """What MXFP4 experts take beyond their own shape."""
    more = 0
    for group in facts.tensors:
        name = group.pattern.rpartition(".")[2]
        if ".experts." not in group.pattern or not name.endswith(("_blocks", "_scales")):
            continue
        share = _share(group, facts, parts)
        padded = _padded(share, gated=name.startswith("gate_up"))
        more += (prod(padded) - prod(share)) * max(1, len(group.layers))
    return more


def _padded(shape: tuple[int, ...], *, gated: bool) -> tuple[int, ...]:
    experts, outputs, blocks, *rest = shape
    halves = 2 if gated else 1
    rows = ceil(outputs / halves / _MXFP4_TILE) * _MXFP4_TILE * halves
    # A block is 32 elements.
    return (experts, rows, ceil(blocks * 32 / _MXFP4_TILE) * _MXFP4_TILE // 32, *rest)

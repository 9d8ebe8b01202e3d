"""Which tensors vLLM's layer classes split over devices, and along which of their dimensions.

The classes are those of vllm/model_executor/layers (linear.py, vocab_parallel_embedding.py,
fused_moe/); which module is of which class is in vllm/model_executor/models (llama.py, qwen3.py,
qwen3_moe.py, mixtral.py, deepseek_v2.py, gpt_oss.py, gemma3.py, phi3.py and others, where a module
of one name is of one class). SGLang's classes of the same names (sglang/srt/layers/linear.py)
split alike. A module of another name is counted whole: that is never too little.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class TensorSplit(Enum):
    """What a device holds of a tensor."""

    WHOLE = auto()  # ReplicatedLinear, norms, RowParallelLinear's bias
    OUTPUTS = auto()  # ColumnParallelLinear and its merged kind: a share of the outputs
    KEYS = auto()  # the K and V parts of QKVParallelLinear: at least one head each
    QUERIES_AND_KEYS = auto()  # a checkpoint's own merged QKV
    INPUTS = auto()  # RowParallelLinear: a share of the inputs
    VOCABULARY = auto()  # VocabParallelEmbedding, ParallelLMHead: a share of the padded words
    HEADS = auto()  # one number for each query head


_CLASSES: Final = {
    TensorSplit.OUTPUTS: (
        "q_proj q_b_proj kv_b_proj gate_proj up_proj gate_up_proj up_gate_proj input_linear w1 w3 "
        "fc1 fc_in c_fc dense_h_to_4h linear_fc1 query"
    ),
    TensorSplit.KEYS: "k_proj v_proj key value",
    TensorSplit.QUERIES_AND_KEYS: "qkv_proj query_key_value Wqkv wqkv c_attn qkv",
    TensorSplit.INPUTS: (
        "o_proj out_proj down_proj output_linear w2 fc2 fc_out c_proj dense_4h_to_h wo linear_fc2"
    ),
    TensorSplit.VOCABULARY: (
        "embed_tokens wte word_embeddings tok_embeddings embed_in lm_head embed_out"
    ),
    TensorSplit.HEADS: "sinks",
}
_OF_MODULE: Final = {name: split for split, names in _CLASSES.items() for name in names.split()}
# Parameters of a quantised layer whose first dimension is the inputs (AWQ and GPTQ:
# vllm/model_executor/layers/quantization/auto_awq.py and auto_gptq.py `create_weights`).
INPUTS_FIRST: Final = frozenset({"qweight", "qzeros", "scales", "g_idx"})
# Parameters with one value for the whole layer, or for each activation.
_OF_LAYER: Final = frozenset(
    {"input_scale", "weight_shape", "weight_global_scale", "weight_scale_2", "k_scale", "v_scale"}
)
# Experts stored as one tensor with the expert first, inputs before outputs (Llama 4, Qwen3-VL-MoE,
# gpt-oss in bf16), as against `_blocks`, `_scales` and `_bias` of MXFP4, where outputs come first.
STACKED: Final = frozenset({"gate_up_proj", "down_proj", "gate_proj", "up_proj"})
_MXFP4: Final = ("_blocks", "_scales", "_bias")


def split_of(pattern: str) -> tuple[TensorSplit, str]:
    """How a tensor is split, and the parameter that it is of its module."""
    parts = pattern.split(".")
    module, parameter = (parts[-2], parts[-1]) if len(parts) > 1 else ("", parts[0])
    if parameter in _OF_LAYER:
        return TensorSplit.WHOLE, parameter
    if module == "experts":
        name = next((parameter.removesuffix(end) for end in _MXFP4 if parameter.endswith(end)), "")
        return _OF_MODULE.get(name or parameter, TensorSplit.WHOLE), parameter
    if parameter in _OF_MODULE:
        return _OF_MODULE[parameter], parameter
    # An indexer's projections share names with attention's, and are whole on every device
    # (vllm/model_executor/models/deepseek_v2.py `Indexer`).
    if "indexer" in parts or module not in _OF_MODULE:
        return TensorSplit.WHOLE, parameter
    found = _OF_MODULE[module]
    if found is TensorSplit.INPUTS and parameter == "bias":
        return TensorSplit.WHOLE, parameter
    return found, parameter


def is_beside_text(pattern: str) -> bool:
    """A vision or audio tower: its heads are not the language model's."""
    return any(word in pattern for word in ("vision", "visual", "audio", "image", "vit."))

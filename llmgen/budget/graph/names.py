"""What llama.cpp calls tensors of some architectures, where others have the usual name.

The usual one is that of ``Scene.call``; names that the program has for every second architecture
are not here. ``tests/oracle/test_nodes.py`` compares them with the program's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# What only some architectures tell apart, and its usual name.
_USUAL: Final = {
    "Qcur as it is": "Qcur",
    "Kcur as it is": "Kcur",
    "ffn_out merged": "ffn_out",
    "l_out at last": "l_out",
}

_RELU: Final = {"ffn_act": "ffn_relu"}
_GELU: Final = {"ffn_act": "ffn_gelu"}
_EUROBERT: Final = {"embd": "inp_embd", "result_norm": "result_embd"}
_GEMMA_EMBEDDING: Final = {"embd": "inp_scaled", "ffn_inp": "sa_out", "ffn_swiglu": "ffn_geglu"}
_GEGLU: Final = {"ffn_swiglu": "ffn_geglu"}
_HUNYUAN_DENSE: Final = {"Kcur": "Kcur_norm", "Qcur": "Qcur_norm"}
_LFM2: Final = {
    "attn_norm": "model.layers.{}.operator_norm",
    "embd": "model.embed_tokens",
    "ffn_norm": "model.layers.{}.ffn_out",
}
_NEMOTRON_H: Final = {
    "ffn_act": "ffn_relu",
    "ffn_out": "l_out",
    "l_out": "nemotron_h_block_out",
}

_OWN: Final[dict[str, dict[str, str]]] = {
    "afmoe": {
        "Kcur": "Kcur_rope",
        "Kcur as it is": "Kcur_normed",
        "Qcur": "Qcur_rope",
        "Qcur as it is": "Qcur_normed",
        "inp_scaled": "inp_embd_scaled",
        "kqv_out": "attn_out",
    },
    "apertus": {
        "Kcur": "Kcur_pos",
        "Qcur": "Qcur_pos",
        "ffn_act": "ffn_xielu",
        "ffn_out": "ffn_down",
    },
    "arcee": _RELU,
    "bailingmoe2": {"ffn_inp": "sa_out"},
    "bailingmoe3": {"embd": "model.input_embed"},
    "bert": _GELU,
    "bitnet": {"ffn_out": "ffn_down", "ffn_swiglu": "ffn_sub_out"},
    "bloom": _GELU,
    "codeshell": _GELU,
    "dbrx": {"ffn_norm": "attn_out_norm"},
    "deepseek2-ocr": {"Kcur": "k_pe", "Qcur": "q_pe"},
    "deepseek4": {
        "ffn_moe_swiglu": "ffn_moe_swiglu_limited",
        "ffn_swiglu": "ffn_swiglu_limited",
    },
    "dots3note": {"kqv_out": "attn_out"},
    "eurobert": _EUROBERT,
    "falcon": _GELU,
    "falcon-h1": {"Kcur": "Kcur-post-rope", "Qcur": "Qcur-post-rope", "mamba_out": "ssm_out"},
    "gemma": {"Qcur": "Qcur_scaled", "ffn_inp": "sa_out", "ffn_swiglu": "ffn_geglu"},
    "gemma-embedding": _GEMMA_EMBEDDING,
    "gemma2": {"ffn_inp": "sa_out", "ffn_swiglu": "ffn_geglu"},
    "gemma3": _GEMMA_EMBEDDING,
    "gemma4": _GEGLU,
    "glm4": {"attn_post_norm": "post_attn_norm"},
    "glm4moe": {"ffn_norm": "post_attn_norm", "ffn_shexp": "ffn_shexp_out"},
    "glm5-next": {"embd": "inp_embd"},
    "gpt-oss": {
        "ffn_moe_logits_biased": "ffn_moe_probs",
        "ffn_moe_swiglu": "ffn_moe_swiglu_oai",
        "ffn_norm": "attn_post_norm",
    },
    "gpt2": _GELU,
    "gptneox": _GELU,
    "graniteswitch": {"kqv_out": "attn_pre_o"},
    "grok": {
        "attn_post_norm": "attn_out_norm",
        "ffn_act": "ffn_gelu",
        "ffn_moe_swiglu": "ffn_moe_geglu",
        "ffn_swiglu": "ffn_geglu",
    },
    "hrm_text": {"ffn_inp": "attn_add", "kqv_out": "attn_pregate", "result_embd": "result_norm"},
    "hunyuan-dense": _HUNYUAN_DENSE,
    "hunyuan-moe": {"Kcur": "Kcur_norm", "Qcur": "Qcur_norm", "ffn_shexp": "ffn_mlp"},
    "hunyuan_vl": _HUNYUAN_DENSE,
    "hy_v3": {"ffn_shexp": "ffn_shared_out"},
    "hy_v4": {"ffn_moe_swiglu": "ffn_moe_swiglu_limited", "kqv_out": "attn_kqv"},
    "jais2": {"Kcur": "Kcur_rope", "Qcur": "Qcur_rope", "ffn_act": "ffn_relu"},
    "jina-bert-v2": _GEGLU,
    "jina-bert-v3": _GELU,
    "kimi-k3": {"embd": "inp_embd"},
    "kimi-linear": {"embd": "model.embed_tokens"},
    "laguna": {"Kcur": "Kcur_rope", "Qcur": "Qcur_rope", "kqv_out": "attn_out"},
    "lfm2": _LFM2,
    "lfm2moe": _LFM2,
    "llama4": {
        "Kcur": "Kcur_normed",
        "Kcur as it is": "Kcur",
        "Qcur": "Qcur_normed",
        "Qcur as it is": "Qcur",
        "ffn_out merged": "ffn_moe_out_merged",
        "ffn_shexp": "ffn_moe_shexp",
    },
    "maple": {"ffn_moe_swiglu": "ffn_moe_swiglu_limited"},
    "mimo2": {"l_out at last": "h_nextn"},
    "minicpm3": {"embd": "inp_scaled"},
    "minimax-m3": {"ffn_moe_swiglu": "ffn_moe_swiglu_oai", "ffn_swiglu": "ffn_swiglu_oai"},
    "modern-bert": {
        "embd": "inp_embd",
        "ffn_swiglu": "ffn_geglu_erf",
        "result_norm": "final_norm_out",
    },
    "mpt": _GELU,
    "muse-glimmer": {
        "Kcur": "Kcur_rope",
        "Kcur as it is": "Kcur_normed",
        "Qcur": "Qcur_rope",
        "Qcur as it is": "Qcur_normed",
        "inp_norm": "embd_norm",
        "kqv_out": "attn_out",
    },
    "nemotron": _RELU,
    "nemotron_h": _NEMOTRON_H,
    "nemotron_h_moe": _NEMOTRON_H,
    "neo-bert": _EUROBERT,
    "nomic-bert-moe": _GELU,
    "openelm": {"Qcur": "Vcur"},
    "phi2": _GELU,
    "plamo2": {
        "embd": "embedding_output",
        "ffn_inp": "attn_residual",
        "ffn_norm": "ffn_pre_norm",
        "l_out": "ffn_residual",
    },
    "plamo3": {"attn_norm": "wqkv", "ffn_inp": "attn_residual"},
    "pockettts": _GELU,
    "qwen35": {
        "embd": "model.input_embed",
        "ffn_inp": "attn_residual",
        "ffn_norm": "attn_post_norm",
        "kqv_out": "attn_pregate",
    },
    "qwen35moe": {
        "embd": "model.input_embed",
        "ffn_down": "ffn_shexp",
        "ffn_down_s": "ffn_shexp",
        "ffn_inp": "attn_residual",
        "ffn_norm": "attn_post_norm",
        "kqv_out": "attn_pregate",
    },
    "qwen3next": {
        "embd": "model.embed_tokens",
        "ffn_down": "ffn_shexp",
        "ffn_down_s": "ffn_shexp",
        "ffn_inp": "attn_residual",
        "ffn_norm": "attn_post_norm",
        "kqv_out": "attn_pregate",
    },
    "qwen4exp": {
        "embd": "model.input_embed",
        "ffn_down": "ffn_shexp",
        "ffn_down_s": "ffn_shexp",
        "kqv_out": "attn_pregate",
    },
    "seed_oss": {"ffn_norm": "attn_post_norm"},
    "smallthinker": {"ffn_moe_out": "ffn_out", "ffn_moe_swiglu": "ffn_moe_reglu"},
    "spark2_5": {
        "Kcur": "Kcur_rope",
        "Qcur": "Qcur_rope",
        "ffn_swiglu": "ffn_geglu",
        "kqv_out": "attn_out",
    },
    "starcoder": _GELU,
    "starcoder2": _GELU,
    "step35": {
        "Kcur": "Kcur_pos",
        "Qcur": "Qcur_pos",
        "embd": "attn_norm_in",
        "ffn_shexp": "ffn_shared_out",
        "kqv_out": "attn_out",
        "l_out": "attn_norm_in",
        "l_out at last": "h_nextn",
    },
    "t5": {"ffn_swiglu": "ffn_geglu", "l_out at last": "result_embd"},
    "t5encoder": {"ffn_act": "ffn_relu", "l_out at last": "result_embd"},
    "talkie": _HUNYUAN_DENSE,
}


def names_of(architecture: str) -> Mapping[str, str]:
    """Usual names, and what this architecture calls those tensors instead."""
    own = _OWN.get(architecture, {})
    return {name: own.get(usual, usual) for name, usual in _USUAL.items()} | own

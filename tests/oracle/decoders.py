"""Published decoders and hybrids by which no rule was made, and what ``published`` asks of each."""

from __future__ import annotations

from oracle.grid import Setting
from oracle.shapes import Shape, decoder, experts, latent, mamba2, only

_NO_OFFLOAD = {"kv_offload": False, "ctx_size": 32768}
SETTINGS: tuple[Setting, ...] = (
    {"ctx_size": 32768},
    {"ctx_size": 32768, "parallel": 1, "ubatch_size": 2048, "batch_size": 2048},
    {"ctx_size": 16384, "flash_attn": "off", "parallel": 2},
    {"ctx_size": 32768, "devices": ("gpu0", "gpu1")},
    {"ctx_size": 16384, "cache_type_k": "q8_0", "cache_type_v": "q8_0", "parallel": 1},
    {"ctx_size": 8192, "n_gpu_layers": 9},
    {"ctx_size": 8192, "n_cpu_moe": 999, "parallel": 1},
    _NO_OFFLOAD,
    _NO_OFFLOAD | {"devices": ("gpu0", "gpu1"), "parallel": 1},
    {"ctx_size": 32768, "devices": ()},
)

_NO_SCALES = (".scale", "input_scale")
_BIASES = ("attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias")
_PLAIN = (*_NO_SCALES, *_BIASES, "ffn_gate.bias", "ffn_up.bias", "ffn_down.bias")
_XIELU = {f"xielu.{name}": [0.5] * 32 for name in ("alpha_n", "alpha_p", "beta", "eps")}
_INDEXER = {"attention.indexer.head_count": 32, "attention.indexer.key_length": 128, "attention.indexer.top_k": 2048}  # fmt: skip
_NEMOTRON = "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-"
_RWKV7 = {
    "block_count": 32, "embedding_length": 2560, "feed_forward_length": 10240, "context_length": 8192,
    "wkv.head_size": 64, "attention.head_count": 0, "attention.decay_lora_rank": 96, "attention.iclr_lora_rank": 96,
    "attention.value_residual_mix_lora_rank": 64, "attention.gate_lora_rank": 320,
}  # fmt: skip
_MAMBA = {"block_count": 64, "embedding_length": 4096, "feed_forward_length": 0, "context_length": 262144, "attention.head_count": 0}  # fmt: skip

SHAPES = (
    Shape("starcoder2-7b", "starcoder2", 49152, "bigcode/starcoder2-7b", decoder(32, 4608, 18432, 36, 4, 128, 16384), tied=True, without=_NO_SCALES),
    Shape("apertus-8b", "apertus", 131072, "swiss-ai/Apertus-8B-Instruct-2509", decoder(32, 4096, 21504, 32, 8, 128, 65536) | _XIELU, without=(*_PLAIN, "rope_factors")),
    Shape("glm-5", "glm-dsa", 154880, "zai-org/GLM-5", decoder(79, 6144, 12288, 64, 1, 0, 202752, nextn_predict_layers=1) | _INDEXER | latent(q_rank=2048, key=256, value=256) | experts(256, 8, 2048, 1, dense_first=3), without=_PLAIN),
    Shape("deepseek-v3.2", "deepseek32", 129280, "deepseek-ai/DeepSeek-V3.2", decoder(61, 7168, 18432, 128, 1, 0, 163840) | _INDEXER | {"attention.indexer.head_count": 64} | latent(q_rank=1536) | experts(256, 8, 2048, 1, dense_first=3), without=_PLAIN),
    Shape("codestral-mamba-7b", "mamba2", 32768, "mistralai/Mamba-Codestral-7B-v0.1", _MAMBA | mamba2(8192, 128, 8, 128), without=_NO_SCALES),
    Shape("rwkv7-g1-2.9b", "rwkv7", 65536, "BlinkDL/rwkv7-g1", _RWKV7, without=_NO_SCALES),
    Shape("granite-4.0-h-small", "granitehybrid", 100352, "ibm-granite/granite-4.0-h-small", decoder(40, 4096, 768, 32, only((5, 15, 25, 35), 40, 8), 128, 131072) | mamba2(8192, 128, 1, 128) | experts(72, 10, 768, 1, 1536), tied=True, without=(*_PLAIN, "rope_freqs")),
    Shape("jamba-1.5-mini", "jamba", 65536, "ai21labs/AI21-Jamba-1.5-Mini", decoder(32, 4096, 14336, 32, only((4, 12, 20, 28), 32, 8), 128, 262144) | mamba2(8192, 16, 0, 256) | experts(16, 2, 14336), without=_PLAIN),
    Shape("nemotron-nano-9b-v2", "nemotron_h", 131072, "nvidia/NVIDIA-Nemotron-Nano-9B-v2", decoder(56, 4480, [15680 if kind == "-" else 0 for kind in _NEMOTRON], 40, [8 if kind == "*" else 0 for kind in _NEMOTRON], 128, 131072) | mamba2(10240, 128, 8, 128), without=_PLAIN),
    Shape("lfm2-8b-a1b", "lfm2moe", 65536, "LiquidAI/LFM2-8B-A1B", decoder(24, 2048, 7168, 32, only((2, 6, 10, 14, 18, 21), 24, 8), 64, 128000, shortconv__l_cache=3) | experts(32, 4, 1792, dense_first=2) | {"expert_gating_func": 2}, tied=True, without=_PLAIN),
)  # fmt: skip

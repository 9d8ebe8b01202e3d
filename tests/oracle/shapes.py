"""The public hyperparameters of published models, each with the repository it was read from.

The first block are the shapes that the reference runs of llama.cpp used; the rest come from the
``config.json`` of the named repository, under llama.cpp's key names.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Shape:
    """One model: GGUF architecture, vocabulary size, header values without the prefix."""

    name: str
    architecture: str
    vocabulary: int
    source: str
    values: dict[str, object] = field(hash=False)
    tied: bool = False
    # Optional tensors that this model does not have, or that its architecture's other models have.
    without: tuple[str, ...] = ()
    recipe: str = "q4_k_m"
    fused_qkv: bool = False


def decoder(
    layers, embedding, feed_forward, heads, heads_kv, head, context, **more
) -> dict[str, object]:
    """The values that nearly every decoder has; ``a__b`` in ``more`` stands for ``a.b``."""
    return {
        "block_count": layers,
        "embedding_length": embedding,
        "feed_forward_length": feed_forward,
        "context_length": context,
        "attention.head_count": heads,
        "attention.head_count_kv": heads_kv,
        "attention.key_length": head,
        "attention.value_length": head,
        **{key.replace("__", "."): value for key, value in more.items()},
    }


def experts(count, used, width, shared=0, shared_width=0, dense_first=0) -> dict[str, object]:
    """The values of a mixture of experts."""
    values: dict[str, object] = {
        "expert_count": count,
        "expert_used_count": used,
        "expert_feed_forward_length": width,
    }
    if shared:
        values["expert_shared_count"] = shared
    if shared_width:
        values["expert_shared_feed_forward_length"] = shared_width
    if dense_first:
        values["leading_dense_block_count"] = dense_first
    return values


def latent(kv_rank=512, q_rank=0, key=192, value=128) -> dict[str, object]:
    """The values of multi-head latent attention (DeepSeek's MLA)."""
    values: dict[str, object] = {
        "attention.key_length": kv_rank + 64,
        "attention.value_length": kv_rank,
        "attention.key_length_mla": key,
        "attention.value_length_mla": value,
        "attention.kv_lora_rank": kv_rank,
        "rope.dimension_count": 64,
    }
    if q_rank:
        values["attention.q_lora_rank"] = q_rank
    return values


def mamba2(inner, state, groups, rank, kernel=4) -> dict[str, object]:
    """The values of a state-space layer."""
    return {
        "ssm.inner_size": inner,
        "ssm.state_size": state,
        "ssm.group_count": groups,
        "ssm.conv_kernel": kernel,
        "ssm.time_step_rank": rank,
    }


def every(period: int, layers: int) -> list[bool]:
    """Sliding-window pattern: all but the last layer of each period."""
    return [(i + 1) % period != 0 for i in range(layers)]


def only(places: tuple[int, ...], layers: int, value: int) -> list[int]:
    """A per-layer array that is ``value`` at ``places`` and 0 elsewhere."""
    return [value if i in places else 0 for i in range(layers)]


LLAMA = (
    Shape("llama-3.2-1b", "llama", 128256, "meta-llama/Llama-3.2-1B-Instruct", decoder(16, 2048, 8192, 32, 8, 64, 131072), tied=True),
    Shape("llama-3.2-3b", "llama", 128256, "meta-llama/Llama-3.2-3B-Instruct", decoder(28, 3072, 8192, 24, 8, 128, 131072), tied=True),
    Shape("llama-3.1-8b", "llama", 128256, "meta-llama/Llama-3.1-8B-Instruct", decoder(32, 4096, 14336, 32, 8, 128, 131072)),
    Shape("llama-3.3-70b", "llama", 128256, "meta-llama/Llama-3.3-70B-Instruct", decoder(80, 8192, 28672, 64, 8, 128, 131072)),
    Shape("mistral-small-3.2-24b", "llama", 131072, "mistralai/Mistral-Small-3.2-24B-Instruct-2506", decoder(40, 5120, 32768, 32, 8, 128, 131072), without=("rope_freqs",)),
    Shape("mixtral-8x7b", "llama", 32000, "mistralai/Mixtral-8x7B-Instruct-v0.1", decoder(32, 4096, 14336, 32, 8, 128, 32768) | {"expert_count": 8, "expert_used_count": 2}, without=("rope_freqs",)),
    Shape("devstral-2-123b", "mistral3", 131072, "mistralai/Devstral-2-123B-Instruct-2512", decoder(88, 12288, 28672, 96, 8, 128, 262144), without=("rope_freqs",)),
    Shape("devstral-small-2-24b", "mistral3", 131072, "mistralai/Devstral-Small-2-24B-Instruct-2512", decoder(40, 5120, 32768, 32, 8, 128, 393216), without=("rope_freqs",)),
    Shape("llama-4-scout", "llama4", 202048, "meta-llama/Llama-4-Scout-17B-16E-Instruct", decoder(48, 5120, 16384, 40, 8, 128, 10485760, interleave_moe_layer_step=1) | experts(16, 1, 8192)),
    Shape("phi-3-mini", "phi3", 32064, "microsoft/Phi-3-mini-4k-instruct", decoder(32, 3072, 8192, 32, 32, 96, 4096, rope__dimension_count=96), without=("rope_factors",), fused_qkv=True),
    Shape("phi-4", "phi3", 100352, "microsoft/phi-4", decoder(40, 5120, 17920, 40, 10, 128, 16384, rope__dimension_count=128), without=("rope_factors",), fused_qkv=True),
    Shape("granite-3.3-8b", "granite", 49159, "ibm-granite/granite-3.3-8b-instruct", decoder(40, 4096, 12800, 32, 8, 128, 131072), tied=True, without=("rope_freqs",)),
    Shape("smollm3-3b", "smollm3", 128256, "HuggingFaceTB/SmolLM3-3B", decoder(36, 2048, 11008, 16, 4, 128, 65536), tied=True),
    Shape("seed-oss-36b", "seed_oss", 155136, "ByteDance-Seed/Seed-OSS-36B-Instruct", decoder(64, 5120, 27648, 80, 8, 128, 524288)),
    Shape("olmo-3-7b", "olmo2", 100278, "allenai/Olmo-3-7B-Instruct", decoder(32, 4096, 11008, 32, 32, 128, 65536, attention__sliding_window=4096)),
    Shape("command-a-111b", "cohere2", 256000, "CohereLabs/c4ai-command-a-03-2025", decoder(64, 12288, 36864, 96, 8, 128, 131072, attention__sliding_window=4096), tied=True, recipe="q5_k"),
)  # fmt: skip

QWEN = (
    Shape("qwen2.5-7b", "qwen2", 152064, "Qwen/Qwen2.5-7B-Instruct", decoder(28, 3584, 18944, 28, 4, 128, 32768)),
    Shape("qwen2.5-32b", "qwen2", 152064, "Qwen/Qwen2.5-32B-Instruct", decoder(64, 5120, 27648, 40, 8, 128, 32768)),
    Shape("qwen3-0.6b", "qwen3", 151936, "Qwen/Qwen3-0.6B", decoder(28, 1024, 3072, 16, 8, 128, 40960), tied=True, recipe="q8_0", without=("cls.output",)),
    Shape("qwen3-1.7b", "qwen3", 151936, "Qwen/Qwen3-1.7B", decoder(28, 2048, 6144, 16, 8, 128, 40960), tied=True, recipe="q8_0", without=("cls.output",)),
    Shape("qwen3-4b", "qwen3", 151936, "Qwen/Qwen3-4B", decoder(36, 2560, 9728, 32, 8, 128, 40960), tied=True, without=("cls.output",)),
    Shape("qwen3-8b", "qwen3", 151936, "Qwen/Qwen3-8B", decoder(36, 4096, 12288, 32, 8, 128, 40960), without=("cls.output",)),
    Shape("qwen3-14b", "qwen3", 151936, "Qwen/Qwen3-14B", decoder(40, 5120, 17408, 40, 8, 128, 40960), without=("cls.output",)),
    Shape("qwen3-32b", "qwen3", 151936, "Qwen/Qwen3-32B", decoder(64, 5120, 25600, 64, 8, 128, 40960), without=("cls.output",)),
    Shape("qwen3-30b-a3b", "qwen3moe", 151936, "Qwen/Qwen3-30B-A3B-Instruct-2507", decoder(48, 2048, 6144, 32, 4, 128, 262144) | experts(128, 8, 768)),
    Shape("qwen3-coder-30b-a3b", "qwen3moe", 151936, "Qwen/Qwen3-Coder-30B-A3B-Instruct", decoder(48, 2048, 5472, 32, 4, 128, 262144) | experts(128, 8, 768)),
    Shape("qwen3-235b-a22b", "qwen3moe", 151936, "Qwen/Qwen3-235B-A22B", decoder(94, 4096, 12288, 64, 4, 128, 40960) | experts(128, 8, 1536)),
    Shape("qwen3-next-80b-a3b", "qwen3next", 151936, "Qwen/Qwen3-Next-80B-A3B-Instruct", decoder(48, 2048, 5120, 16, 2, 256, 262144, full_attention_interval=4, rope__dimension_count=64) | experts(512, 10, 512, 1, 512) | mamba2(4096, 128, 16, 32)),
    Shape("qwen3.5-27b", "qwen35", 248320, "Qwen/Qwen3.5-27B", decoder(64, 5120, 17408, 24, 4, 256, 262144, full_attention_interval=4, rope__dimension_count=64, rope__dimension_sections=[11, 11, 10, 0]) | mamba2(6144, 128, 16, 48), without=("cls.output",)),
    Shape("qwen3.5-35b-a3b", "qwen35moe", 248320, "Qwen/Qwen3.5-35B-A3B", decoder(40, 2048, 512, 16, 2, 256, 262144, full_attention_interval=4, rope__dimension_count=64, rope__dimension_sections=[11, 11, 10, 0]) | experts(256, 8, 512, 1, 512) | mamba2(4096, 128, 16, 32)),
    Shape("qwen3.6-27b-mtp", "qwen35", 248320, "Qwen/Qwen3.6-27B", decoder(65, 5120, 17408, 24, 4, 256, 262144, full_attention_interval=4, nextn_predict_layers=1, rope__dimension_count=64, rope__dimension_sections=[11, 11, 10, 0]) | mamba2(6144, 128, 16, 48), without=("cls.output",)),
    Shape("qwen3-vl-8b", "qwen3vl", 151936, "Qwen/Qwen3-VL-8B-Instruct", decoder(36, 4096, 12288, 32, 8, 128, 262144, n_deepstack_layers=3, rope__dimension_sections=[24, 20, 20, 0]), without=("cls.output",)),
    Shape("qwen3-embedding-0.6b", "qwen3", 151669, "Qwen/Qwen3-Embedding-0.6B", decoder(28, 1024, 3072, 16, 8, 128, 32768, pooling_type=3), tied=True, recipe="q8_0", without=("cls.output",)),
    Shape("qwen3-embedding-8b", "qwen3", 151665, "Qwen/Qwen3-Embedding-8B", decoder(36, 4096, 12288, 32, 8, 128, 40960, pooling_type=3), recipe="q8_0", without=("cls.output",)),
    Shape("qwen3-reranker-0.6b", "qwen3", 151669, "Qwen/Qwen3-Reranker-0.6B", decoder(28, 1024, 3072, 16, 8, 128, 40960, pooling_type=4) | {"classifier.output_labels": ["yes", "no"]}, tied=True, recipe="q8_0"),
)  # fmt: skip

GEMMA = (
    Shape("gemma-2-9b", "gemma2", 256000, "google/gemma-2-9b-it", decoder(42, 3584, 14336, 16, 8, 256, 8192, attention__sliding_window=4096), tied=True),
    Shape("gemma-2-27b", "gemma2", 256000, "google/gemma-2-27b-it", decoder(46, 4608, 36864, 32, 16, 128, 8192, attention__sliding_window=4096), tied=True),
    Shape("gemma-3-1b", "gemma3", 262144, "google/gemma-3-1b-it", decoder(26, 1152, 6912, 4, 1, 256, 32768, attention__sliding_window=512), tied=True, recipe="q8_0"),
    Shape("gemma-3-4b", "gemma3", 262144, "google/gemma-3-4b-it", decoder(34, 2560, 10240, 8, 4, 256, 131072, attention__sliding_window=1024), tied=True),
    Shape("gemma-3-12b", "gemma3", 262144, "google/gemma-3-12b-it", decoder(48, 3840, 15360, 16, 8, 256, 131072, attention__sliding_window=1024), tied=True),
    Shape("gemma-3-27b", "gemma3", 262144, "google/gemma-3-27b-it", decoder(62, 5376, 21504, 32, 16, 128, 131072, attention__sliding_window=1024), tied=True),
    Shape("gemma-3n-e4b", "gemma3n", 262144, "google/gemma-3n-E4B-it", decoder(35, 2048, 16384, 8, 2, 256, 32768, attention__sliding_window=512), tied=True),
    Shape("gemma-4-31b", "gemma4", 262144, "google/gemma-4-31B-it", decoder(60, 5376, 21504, 32, [16, 16, 16, 16, 16, 4] * 10, 512, 262144, attention__sliding_window=1024, attention__sliding_window_pattern=every(6, 60), attention__key_length_swa=256, attention__value_length_swa=256, attention__shared_kv_layers=0, embedding_length_per_layer_input=0, rope__dimension_count=512, rope__dimension_count_swa=256), tied=True),
    Shape("gemma-4-e4b", "gemma4", 262144, "google/gemma-4-E4B-it", decoder(42, 2560, 10240, 8, [2] * 42, 512, 262144, attention__sliding_window=512, attention__sliding_window_pattern=every(6, 42), attention__key_length_swa=256, attention__value_length_swa=256, attention__shared_kv_layers=18, embedding_length_per_layer_input=256, rope__dimension_count=512, rope__dimension_count_swa=256), tied=True),
    Shape("embeddinggemma-300m", "gemma-embedding", 262144, "google/embeddinggemma-300m", decoder(24, 768, 1152, 3, 1, 256, 2048, attention__sliding_window=512, pooling_type=1), tied=True, recipe="q8_0"),
)  # fmt: skip

OTHERS = (
    Shape("gpt-oss-20b", "gpt-oss", 201088, "openai/gpt-oss-20b", decoder(24, 2880, 2880, 64, 8, 64, 131072, attention__sliding_window=128, rope__dimension_count=64) | experts(32, 4, 2880), recipe="mxfp4"),
    Shape("gpt-oss-120b", "gpt-oss", 201088, "openai/gpt-oss-120b", decoder(36, 2880, 2880, 64, 8, 64, 131072, attention__sliding_window=128, rope__dimension_count=64) | experts(128, 4, 2880), recipe="mxfp4"),
    Shape("deepseek-v2-lite", "deepseek2", 102400, "deepseek-ai/DeepSeek-V2-Lite-Chat", decoder(27, 2048, 10944, 16, 1, 0, 163840) | latent() | experts(64, 6, 1408, 2, dense_first=1), without=("exp_probs_b",)),
    Shape("deepseek-v3", "deepseek2", 129280, "deepseek-ai/DeepSeek-V3", decoder(61, 7168, 18432, 128, 1, 0, 163840) | latent(q_rank=1536) | experts(256, 8, 2048, 1, dense_first=3)),
    Shape("kimi-k2", "deepseek2", 163840, "moonshotai/Kimi-K2-Instruct-0905", decoder(61, 7168, 18432, 64, 1, 0, 262144) | latent(q_rank=1536) | experts(384, 8, 2048, 1, dense_first=1)),
    Shape("deepseek-v3.2", "deepseek32", 129280, "deepseek-ai/DeepSeek-V3.2", decoder(61, 7168, 18432, 128, 1, 0, 163840, attention__indexer__head_count=64, attention__indexer__key_length=128, attention__indexer__top_k=2048) | latent(q_rank=1536) | experts(256, 8, 2048, 1, dense_first=3)),
    Shape("glm-4.5-air", "glm4moe", 151552, "zai-org/GLM-4.5-Air", decoder(47, 4096, 10944, 96, 8, 128, 131072, nextn_predict_layers=1, rope__dimension_count=64) | experts(128, 8, 1408, 1, dense_first=1), without=("attn_q_norm", "attn_k_norm")),
    Shape("glm-4.6", "glm4moe", 151552, "zai-org/GLM-4.6", decoder(93, 5120, 12288, 96, 8, 128, 202752, nextn_predict_layers=1, rope__dimension_count=64) | experts(160, 8, 1536, 1, dense_first=3)),
    Shape("glm-4-9b", "glm4", 151552, "zai-org/GLM-4-9B-0414", decoder(40, 4096, 13696, 32, 2, 128, 32768, rope__dimension_count=64)),
    Shape("minimax-m2", "minimax-m2", 200064, "MiniMaxAI/MiniMax-M2", decoder(62, 3072, 1536, 48, 8, 128, 196608, rope__dimension_count=64) | experts(256, 8, 1536)),
    Shape("ernie-4.5-21b-a3b", "ernie4_5-moe", 103424, "baidu/ERNIE-4.5-21B-A3B-PT", decoder(28, 2560, 12288, 20, 4, 128, 131072, interleave_moe_layer_step=1) | experts(64, 6, 1536, 2, 3072, dense_first=1)),
    Shape("mamba-2.8b", "mamba", 50280, "state-spaces/mamba-2.8b-hf", {"block_count": 64, "embedding_length": 2560, "feed_forward_length": 0, "context_length": 1048576, "attention.head_count": 0, "attention.head_count_kv": 0} | mamba2(5120, 16, 0, 160), tied=True),
    Shape("falcon-h1-7b", "falcon-h1", 130049, "tiiuae/Falcon-H1-7B-Instruct", decoder(44, 3072, 12288, 12, 2, 128, 262144) | mamba2(3072, 256, 1, 24), without=("rope_freqs",)),
    Shape("granite-4.0-h-small", "granitehybrid", 100352, "ibm-granite/granite-4.0-h-small", decoder(40, 4096, 768, 32, only((5, 15, 25, 35), 40, 8), 128, 131072) | mamba2(8192, 128, 1, 128) | experts(72, 10, 768, 1, 1536), tied=True, without=("rope_freqs",)),
    Shape("nemotron-3-nano-30b", "nemotron_h_moe", 131072, "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", decoder(52, 2688, [0, 1856, 0, 1856, 0, 0, 1856, 0, 1856, 0, 1856, 0, 0, 1856, 0, 1856, 0, 1856, 0, 0, 1856, 0, 1856, 0, 1856, 0, 0, 1856, 0, 1856, 0, 1856, 0, 0, 1856, 0, 1856, 0, 1856, 0, 1856, 0, 0, 1856, 0, 1856, 0, 1856, 0, 1856, 0, 1856], 32, only((5, 12, 19, 26, 33, 42), 52, 2), 128, 1048576) | mamba2(4096, 128, 8, 64) | experts(128, 6, 1856, 1, 3712)),
    Shape("lfm2-1.2b", "lfm2", 65536, "LiquidAI/LFM2-1.2B", decoder(16, 2048, 8192, 32, only((2, 5, 8, 10, 12, 14), 16, 8), 64, 128000, shortconv__l_cache=3), tied=True),
    Shape("kimi-linear-48b", "kimi-linear", 163840, "moonshotai/Kimi-Linear-48B-A3B-Instruct", decoder(27, 2304, 9216, 32, only((3, 7, 11, 15, 19, 23, 26), 27, 1), 0, 1048576, kda__head_dim=128, ssm__conv_kernel=4) | latent() | experts(256, 8, 1024, 1, dense_first=1)),
    Shape("bge-m3", "bert", 250002, "BAAI/bge-m3", {"block_count": 24, "embedding_length": 1024, "feed_forward_length": 4096, "context_length": 8192, "attention.head_count": 16, "attention.causal": False, "pooling_type": 2}, recipe="f16", without=("cls",)),
    Shape("bge-reranker-v2-m3", "bert", 250002, "BAAI/bge-reranker-v2-m3", {"block_count": 24, "embedding_length": 1024, "feed_forward_length": 4096, "context_length": 8192, "attention.head_count": 16, "attention.causal": False, "pooling_type": 4}, recipe="q8_0"),
    Shape("nomic-embed-text-v1.5", "nomic-bert", 30522, "nomic-ai/nomic-embed-text-v1.5", {"block_count": 12, "embedding_length": 768, "feed_forward_length": 3072, "context_length": 2048, "attention.head_count": 12, "attention.causal": False, "pooling_type": 1}, recipe="f16", fused_qkv=True),
)  # fmt: skip

# Small shapes of architectures for which ``test-llama-archs`` saves no file: made up, not published.
SMALL_DECODER = decoder(4, 256, 512, 4, 2, 64, 4096)
SMALL_ENCODER = {
    "block_count": 4,
    "embedding_length": 256,
    "feed_forward_length": 512,
    "context_length": 2048,
    "attention.head_count": 4,
    "attention.causal": False,
    "pooling_type": 1,
}
SMALL_RWKV = {
    "block_count": 4,
    "embedding_length": 256,
    "feed_forward_length": 512,
    "context_length": 4096,
    "wkv.head_size": 64,
    "attention.head_count": 0,
}
SMALL = (
    Shape("bitnet", "bitnet", 1000, "", SMALL_DECODER, tied=True),
    Shape("chameleon", "chameleon", 10240, "", SMALL_DECODER),
    Shape("deepseek2-ocr", "deepseek2-ocr", 1000, "", decoder(4, 256, 512, 4, 4, 64, 4096) | experts(8, 2, 128, 1, dense_first=1)),
    Shape("llama-embed", "llama-embed", 1000, "", SMALL_DECODER | {"attention.causal": False, "pooling_type": 1}),
    Shape("step35", "step35", 1000, "", decoder(4, 256, 512, 4, 2, 64, 4096, attention__sliding_window=512, attention__sliding_window_pattern=[False, True, True, True]) | experts(8, 2, 128, 1, 128, dense_first=1)),
    Shape("eurobert", "eurobert", 1000, "", SMALL_ENCODER),
    Shape("jina-bert-v2", "jina-bert-v2", 1000, "", SMALL_ENCODER),
    Shape("jina-bert-v3", "jina-bert-v3", 1000, "", SMALL_ENCODER),
    Shape("modern-bert", "modern-bert", 1000, "", SMALL_ENCODER | {"attention.sliding_window": 128}),
    Shape("neo-bert", "neo-bert", 1000, "", SMALL_ENCODER),
    Shape("nomic-bert-moe", "nomic-bert-moe", 1000, "", SMALL_ENCODER | {"expert_count": 8, "expert_used_count": 2, "moe_every_n_layers": 2}, fused_qkv=True),
    Shape("rwkv6", "rwkv6", 1000, "", SMALL_RWKV | {"time_mix_extra_dim": 32, "time_decay_extra_dim": 64, "rescale_every_n_layers": 6}),
    Shape("rwkv7", "rwkv7", 1000, "", SMALL_RWKV | {"attention.decay_lora_rank": 64, "attention.iclr_lora_rank": 64, "attention.value_residual_mix_lora_rank": 32, "attention.gate_lora_rank": 128}),
    Shape("arwkv7", "arwkv7", 1000, "", SMALL_RWKV | {"attention.decay_lora_rank": 64, "attention.iclr_lora_rank": 64, "attention.value_residual_mix_lora_rank": 32, "attention.gate_lora_rank": 128, "attention.head_count_kv": 2, "token_shift_count": 1}),
)  # fmt: skip

SHAPES = {shape.name: shape for shape in (*LLAMA, *QWEN, *GEMMA, *OTHERS)}
SMALL_SHAPES = {shape.name: shape for shape in SMALL}
ALL_SHAPES = SHAPES | SMALL_SHAPES

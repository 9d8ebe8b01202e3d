"""Published embedding and rerank models, and what ``published`` asks of each."""

from __future__ import annotations

from oracle.grid import Setting
from oracle.shapes import Shape, decoder

# Tensors that a loader takes and these files do not have.
_NEVER = (r".scale", "input_scale", "dense_", "cls.", "attn_q_norm", "attn_k_norm", "attn_norm_2")
_LOG = {"batch_size": 8192, "ubatch_size": 8192}
SETTINGS: tuple[Setting, ...] = (
    {"embedding": True},
    {"embedding": True, "flash_attn": "off", **_LOG},
    {"embedding": True, "parallel": 1, "devices": ("gpu0", "gpu1"), **_LOG},
    {"embedding": True, "devices": (), "ctx_size": 512, "pooling": "mean"},
    {"embedding": True, "pooling": "rank", "n_gpu_layers": 5, "parallel": 3},
    {"embedding": True, "kv_offload": False, "flash_attn": "off", "ubatch_size": 2048, "batch_size": 2048},
)  # fmt: skip


def encoder(
    layers: int, width: int, hidden: int, heads: int, context: int, pooling: int
) -> Setting:
    """The header of an encoder."""
    return {
        "block_count": layers,
        "embedding_length": width,
        "feed_forward_length": hidden,
        "context_length": context,
        "attention.head_count": heads,
        "attention.causal": False,
        "pooling_type": pooling,
    }


_NARROW = {"attention.sliding_window": 128, "rope.freq_base_swa": 1e4}
_PAIRS = {"moe_every_n_layers": 2, "expert_count": 8, "expert_used_count": 2}
_NO_BIAS = (*_NEVER, "attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias", "ffn_up.bias")
# Fused attention is asked for by its name: loaders list both.
SHAPES = (
    Shape("nomic-embed-text-v2-moe", "nomic-bert-moe", 250048, "nomic-ai/nomic-embed-text-v2-moe", encoder(12, 768, 3072, 12, 512, 1) | _PAIRS, without=_NEVER, recipe="f16"),
    Shape("jina-embeddings-v3", "jina-bert-v3", 250002, "jinaai/jina-embeddings-v3", encoder(24, 1024, 4096, 16, 8194, 1), without=_NEVER, recipe="f16"),
    Shape("jina-embeddings-v2-base-en", "jina-bert-v2", 30528, "jinaai/jina-embeddings-v2-base-en", encoder(12, 768, 3072, 12, 8192, 1), without=(*_NEVER, "ffn_up.bias"), recipe="f16"),
    Shape("all-minilm-l6-v2", "bert", 30522, "sentence-transformers/all-MiniLM-L6-v2", encoder(6, 384, 1536, 12, 512, 1), without=_NEVER, recipe="f16"),
    Shape("gte-modernbert-base", "modern-bert", 50368, "Alibaba-NLP/gte-modernbert-base", encoder(22, 768, 1152, 12, 8192, 2) | _NARROW, without=_NEVER, recipe="f16"),
    Shape("eurobert-210m", "eurobert", 128256, "EuroBERT/EuroBERT-210m", encoder(12, 768, 3072, 12, 8192, 1), without=_NO_BIAS, recipe="f16"),
    Shape("qwen3-embedding-0.6b", "qwen3", 151669, "Qwen/Qwen3-Embedding-0.6B", decoder(28, 1024, 3072, 16, 8, 128, 32768, pooling_type=3), tied=True, without=(".scale", "input_scale", "bias", "cls."), recipe="f16"),
)  # fmt: skip

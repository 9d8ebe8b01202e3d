"""Published checkpoints: configurations as published, tensor lists in the files' own names.

Shapes follow from the configuration by the modelling code of each family; where the published
index says how many bytes all tensors have (`metadata.total_size`), the list must come to exactly
that. A configuration keeps the keys that say something of memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

BF16 = "BF16"


@dataclass(frozen=True)
class Published:
    """One checkpoint; its tensors are listed when they are wanted. ``size`` are the bytes of all tensors by its index, 0 where none was found."""

    name: str
    source: str
    config: dict
    listed: Callable[[], dict] = field(repr=False)
    size: int = 0
    # Bytes of the files themselves, headers and all, where only those are known.
    files: int = 0

    @cached_property
    def tensors(self) -> dict:
        """Type and shape by name."""
        return self.listed()


def plain(name, out, into, bias=False):
    found = {f"{name}.weight": (BF16, (out, into))}
    return found | ({f"{name}.bias": (BF16, (out,))} if bias else {})


def awq(name, out, into, bias=False):
    """casper-hansen/AutoAWQ awq/modules/linear/gemm.py: eight 4-bit values in an int32, group 128."""
    found = {
        f"{name}.qweight": ("I32", (into, out // 8)),
        f"{name}.qzeros": ("I32", (into // 128, out // 8)),
        f"{name}.scales": ("F16", (into // 128, out)),
    }
    return found | ({f"{name}.bias": ("F16", (out,))} if bias else {})


def gptq(name, out, into, bias=False):
    """AutoGPTQ/AutoGPTQ auto_gptq/nn_modules/qlinear: packed along the inputs, with g_idx."""
    found = {
        f"{name}.qweight": ("I32", (into // 8, out)),
        f"{name}.qzeros": ("I32", (into // 128, out // 8)),
        f"{name}.scales": ("F16", (into // 128, out)),
        f"{name}.g_idx": ("I32", (into,)),
    }
    return found | ({f"{name}.bias": ("F16", (out,))} if bias else {})


def fp8(name, out, into, bias=False):
    """deepseek-ai/DeepSeek-V3 inference/fp8_cast_bf16.py: a scale for each block of 128 x 128."""
    blocks = (-(-out // 128), -(-into // 128))
    return {
        f"{name}.weight": ("F8_E4M3", (out, into)),
        f"{name}.weight_scale_inv": ("F32", blocks),
    }


def norm(name, width):
    return {f"{name}.weight": (BF16, (width,))}


def attention(at, c, linear=plain, qkv_bias=False, out_bias=False, qk_norm=False):
    width = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
    hidden, query = c["hidden_size"], c["num_attention_heads"] * width
    kv = c["num_key_value_heads"] * width
    found = {}
    for part, out in (("q", query), ("k", kv), ("v", kv)):
        found |= linear(f"{at}.{part}_proj", out, hidden, qkv_bias)
        if qk_norm and part != "v":
            found |= norm(f"{at}.{part}_norm", width)
    return found | linear(f"{at}.o_proj", hidden, query, out_bias)


def mlp(at, hidden, inner, linear=plain, names=("gate_proj", "up_proj", "down_proj")):
    gate, up, down = names
    return (
        linear(f"{at}.{gate}", inner, hidden)
        | linear(f"{at}.{up}", inner, hidden)
        | linear(f"{at}.{down}", hidden, inner)
    )


SANDWICH = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
)


def decoder(c, layer, prefix="model", tied=False, norms=SANDWICH[:2]):
    hidden, words = c["hidden_size"], c["vocab_size"]
    found = {f"{prefix}.embed_tokens.weight": (BF16, (words, hidden))}
    for number in range(c["num_hidden_layers"]):
        at = f"{prefix}.layers.{number}"
        found |= layer(at)
        for one in norms:
            found |= norm(f"{at}.{one}", hidden)
    found |= norm(f"{prefix}.norm", hidden)
    return found | ({} if tied else {"lm_head.weight": (BF16, (words, hidden))})


def dense(c, tied=False, norms=SANDWICH[:2], prefix="model", linear=plain, **how):
    def layer(at):
        inner = mlp(f"{at}.mlp", c["hidden_size"], c["intermediate_size"], linear)
        return attention(f"{at}.self_attn", c, linear, **how) | inner

    return decoder(c, layer, prefix, tied, norms)


def mixtral(c):
    def layer(at):
        found = attention(f"{at}.self_attn", c)
        moe = f"{at}.block_sparse_moe"
        found |= plain(f"{moe}.gate", c["num_local_experts"], c["hidden_size"])
        for expert in range(c["num_local_experts"]):
            names = ("w1", "w3", "w2")
            at_expert = f"{moe}.experts.{expert}"
            found |= mlp(at_expert, c["hidden_size"], c["intermediate_size"], names=names)
        return found

    return decoder(c, layer)


def qwen_moe(c, linear=plain):
    def layer(at):
        found = attention(f"{at}.self_attn", c, linear, qk_norm=True)
        found |= plain(f"{at}.mlp.gate", c["num_experts"], c["hidden_size"])
        for expert in range(c["num_experts"]):
            inner = c["moe_intermediate_size"]
            found |= mlp(f"{at}.mlp.experts.{expert}", c["hidden_size"], inner, linear)
        return found

    return decoder(c, layer)


def gpt_oss(c):
    experts, hidden, inner = c["num_local_experts"], c["hidden_size"], c["intermediate_size"]

    def layer(at):
        found = attention(f"{at}.self_attn", c, qkv_bias=True, out_bias=True)
        found[f"{at}.self_attn.sinks"] = (BF16, (c["num_attention_heads"],))
        found |= plain(f"{at}.mlp.router", experts, hidden, bias=True)
        for part, out, into in (("gate_up", 2 * inner, hidden), ("down", hidden, inner)):
            name = f"{at}.mlp.experts.{part}_proj"
            found[f"{name}_blocks"] = ("U8", (experts, out, into // 32, 16))
            found[f"{name}_scales"] = ("U8", (experts, out, into // 32))
            found[f"{name}_bias"] = (BF16, (experts, out))
        return found

    return decoder(c, layer)


def deepseek(c, linear=plain):
    hidden, heads = c["hidden_size"], c["num_attention_heads"]
    nope, rope, value = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
    latent, query = c["kv_lora_rank"], heads * (nope + rope)

    def self_attention(at):
        if c.get("q_lora_rank"):
            found = linear(f"{at}.q_a_proj", c["q_lora_rank"], hidden)
            found |= norm(f"{at}.q_a_layernorm", c["q_lora_rank"])
            found |= linear(f"{at}.q_b_proj", query, c["q_lora_rank"])
        else:
            found = linear(f"{at}.q_proj", query, hidden)
        found |= linear(f"{at}.kv_a_proj_with_mqa", latent + rope, hidden)
        found |= norm(f"{at}.kv_a_layernorm", latent)
        found |= linear(f"{at}.kv_b_proj", heads * (nope + value), latent)
        return found | linear(f"{at}.o_proj", hidden, heads * value)

    def layer(at):
        found = self_attention(f"{at}.self_attn")
        if int(at.rpartition(".")[2]) < c["first_k_dense_replace"]:
            return found | mlp(f"{at}.mlp", hidden, c["intermediate_size"], linear)
        inner = c["moe_intermediate_size"]
        found |= plain(f"{at}.mlp.gate", c["n_routed_experts"], hidden)
        if "num_nextn_predict_layers" in c:
            found[f"{at}.mlp.gate.e_score_correction_bias"] = ("F32", (c["n_routed_experts"],))
        for expert in range(c["n_routed_experts"]):
            found |= mlp(f"{at}.mlp.experts.{expert}", hidden, inner, linear)
        return found | mlp(
            f"{at}.mlp.shared_experts", hidden, inner * c["n_shared_experts"], linear
        )

    found = decoder(c, layer)
    for number in range(c.get("num_nextn_predict_layers", 0)):
        # deepseek-ai/DeepSeek-V3 README_WEIGHTS.md: the multi-token-prediction head.
        at = f"model.layers.{c['num_hidden_layers'] + number}"
        found |= layer(at) | norm(f"{at}.enorm", hidden) | norm(f"{at}.hnorm", hidden)
        found |= plain(f"{at}.eh_proj", hidden, 2 * hidden) | norm(f"{at}.shared_head.norm", hidden)
        found |= {f"{at}.shared_head.head.weight": (BF16, (c["vocab_size"], hidden))}
        found |= {f"{at}.embed_tokens.weight": (BF16, (c["vocab_size"], hidden))}
        for one in SANDWICH[:2]:
            found |= norm(f"{at}.{one}", hidden)
    return found


def granite_moe(c):
    experts, hidden, inner = c["num_local_experts"], c["hidden_size"], c["intermediate_size"]

    def layer(at):
        moe = f"{at}.block_sparse_moe"
        return attention(f"{at}.self_attn", c) | {
            f"{moe}.input_linear.weight": (BF16, (experts, 2 * inner, hidden)),
            f"{moe}.output_linear.weight": (BF16, (experts, hidden, inner)),
            f"{moe}.router.layer.weight": (BF16, (experts, hidden)),
        }

    return decoder(c, layer, tied=True)


def phi3(c):
    hidden, inner = c["hidden_size"], c["intermediate_size"]

    def layer(at):
        return (
            plain(f"{at}.self_attn.qkv_proj", 3 * hidden, hidden)
            | plain(f"{at}.self_attn.o_proj", hidden, hidden)
            | plain(f"{at}.mlp.gate_up_proj", 2 * inner, hidden)
            | plain(f"{at}.mlp.down_proj", hidden, inner)
        )

    return decoder(c, layer)


def gemma3(c):
    text, vision = c["text_config"], c["vision_config"]
    found = dense(text, tied=True, norms=SANDWICH, prefix="language_model.model", qk_norm=True)
    width, inner = vision["hidden_size"], vision["intermediate_size"]
    at = "vision_tower.vision_model"
    found |= {
        f"{at}.embeddings.patch_embedding.weight": (BF16, (width, 3, 14, 14)),
        f"{at}.embeddings.patch_embedding.bias": (BF16, (width,)),
        f"{at}.embeddings.position_embedding.weight": (BF16, (64 * 64, width)),
        f"{at}.post_layernorm.weight": (BF16, (width,)),
        f"{at}.post_layernorm.bias": (BF16, (width,)),
        "multi_modal_projector.mm_input_projection_weight": (BF16, (width, text["hidden_size"])),
        "multi_modal_projector.mm_soft_emb_norm.weight": (BF16, (width,)),
    }
    for number in range(vision["num_hidden_layers"]):
        layer = f"{at}.encoder.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            found |= plain(f"{layer}.self_attn.{part}", width, width, bias=True)
        found |= plain(f"{layer}.mlp.fc1", inner, width, bias=True)
        found |= plain(f"{layer}.mlp.fc2", width, inner, bias=True)
        for one in ("layer_norm1", "layer_norm2"):
            found |= {
                f"{layer}.{one}.weight": (BF16, (width,)),
                f"{layer}.{one}.bias": (BF16, (width,)),
            }
    return found


def config(kind, hidden, layers, heads, kv, inner, words, positions, **more):
    return {
        "model_type": kind,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "intermediate_size": inner,
        "vocab_size": words,
        "max_position_embeddings": positions,
        "torch_dtype": "bfloat16",
        **more,
    }


LLAMA = config("llama", 4096, 32, 32, 8, 14336, 128256, 131072, tie_word_embeddings=False)
QWEN25 = config(
    "qwen2", 3584, 28, 28, 4, 18944, 152064, 32768,
    use_sliding_window=False, sliding_window=131072, max_window_layers=28, tie_word_embeddings=False,
)  # fmt: skip
QWEN3 = config("qwen3", 4096, 36, 32, 8, 12288, 151936, 40960, head_dim=128, sliding_window=None)
MISTRAL = config("mistral", 4096, 32, 32, 8, 14336, 32000, 32768, sliding_window=4096)
DEVSTRAL = config(
    "mistral", 5120, 40, 32, 8, 32768, 131072, 131072, head_dim=128, sliding_window=None
)
GEMMA = config("gemma", 2048, 18, 8, 1, 16384, 256000, 8192, head_dim=256)
GEMMA2 = config(
    "gemma2", 3584, 42, 16, 8, 14336, 256000, 8192, head_dim=256, sliding_window=4096,
    tie_word_embeddings=True, torch_dtype="float32",
)  # fmt: skip
GEMMA3 = {
    "model_type": "gemma3",
    "torch_dtype": "bfloat16",
    "text_config": config(
        "gemma3_text", 5376, 62, 32, 16, 21504, 262208, 131072, head_dim=128, sliding_window=1024,
        layer_types=[
            "full_attention" if number % 6 == 5 else "sliding_attention" for number in range(62)
        ],
    ),
    "vision_config": {
        "model_type": "siglip_vision_model",
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
    },
}  # fmt: skip
MIXTRAL = config(
    "mixtral", 4096, 32, 32, 8, 14336, 32000, 32768, num_local_experts=8, sliding_window=None
)
WIZARD = config(
    "mixtral", 6144, 56, 48, 8, 16384, 32000, 65536, num_local_experts=8, sliding_window=None
)
QWEN3_MOE = config(
    "qwen3_moe", 2048, 48, 32, 4, 6144, 151936, 40960,
    head_dim=128, moe_intermediate_size=768, num_experts=128, sliding_window=None,
)  # fmt: skip
GPT_OSS = config(
    "gpt_oss", 2880, 24, 64, 8, 2880, 201088, 131072, head_dim=64, num_local_experts=32,
    sliding_window=128, tie_word_embeddings=False, quantization_config={"quant_method": "mxfp4"},
    layer_types=["sliding_attention", "full_attention"] * 12,
)  # fmt: skip
DEEPSEEK = config(
    "deepseek_v3", 7168, 61, 128, 128, 18432, 129280, 163840,
    kv_lora_rank=512, q_lora_rank=1536, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128,
    moe_intermediate_size=2048, n_routed_experts=256, n_shared_experts=1, first_k_dense_replace=3,
    num_nextn_predict_layers=1,
    quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128]},
)  # fmt: skip
DEEPSEEK_LITE = config(
    "deepseek_v2", 2048, 27, 16, 16, 10944, 102400, 163840,
    kv_lora_rank=512, q_lora_rank=None, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128,
    moe_intermediate_size=1408, n_routed_experts=64, n_shared_experts=2, first_k_dense_replace=1,
)  # fmt: skip
GRANITE = config(
    "granitemoe",
    1024,
    24,
    16,
    8,
    512,
    49155,
    131072,
    num_local_experts=32,
    tie_word_embeddings=True,
)
PHI3 = config("phi3", 3072, 32, 32, 32, 8192, 32064, 4096, sliding_window=2047)
AWQ = QWEN25 | {
    "torch_dtype": "float16",
    "quantization_config": {
        "bits": 4,
        "group_size": 128,
        "quant_method": "awq",
        "zero_point": True,
    },
}
GPTQ = QWEN25 | {
    "torch_dtype": "float16",
    "quantization_config": {
        "bits": 4,
        "group_size": 128,
        "quant_method": "gptq",
        "desc_act": False,
    },
}
FP8 = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}

HUB = "config.json and index of {} on the Hub"
ALL = (
    Published(
        "llama-3.1-8b",
        HUB.format("meta-llama/Llama-3.1-8B"),
        LLAMA,
        lambda: dense(LLAMA),
        16060522496,
    ),
    Published(
        "qwen2.5-7b",
        HUB.format("Qwen/Qwen2.5-7B-Instruct"),
        QWEN25,
        lambda: dense(QWEN25, qkv_bias=True),
        15231233024,
    ),
    Published(
        "qwen3-8b",
        HUB.format("Qwen/Qwen3-8B"),
        QWEN3,
        lambda: dense(QWEN3, qk_norm=True),
        16381470720,
    ),
    Published(
        "mistral-7b-v0.1",
        HUB.format("mistralai/Mistral-7B-v0.1"),
        MISTRAL,
        lambda: dense(MISTRAL),
        14483464192,
    ),
    Published(
        "devstral-small-2507",
        "fetchwiki/mistralai-Devstral-Small-2507 at 2074b22f",
        DEVSTRAL,
        lambda: dense(DEVSTRAL),
        47144806400,
    ),
    Published(
        "gemma-2b",
        "ananddhanabal/gemma at 718cb189",
        GEMMA,
        lambda: dense(GEMMA, tied=True),
        5012344832,
    ),
    Published(
        "gemma-2-9b",
        "config.json of google/gemma-2-9b on the Hub",
        GEMMA2,
        lambda: dense(GEMMA2, tied=True, norms=SANDWICH),
    ),
    Published(
        "gemma-3-27b",
        "Ibtasam-98/medgemma-27b-it at 351f31de",
        GEMMA3,
        lambda: gemma3(GEMMA3),
        54864813280,
    ),
    Published(
        "mixtral-8x7b",
        HUB.format("mistralai/Mixtral-8x7B-v0.1"),
        MIXTRAL,
        lambda: mixtral(MIXTRAL),
        93405585408,
    ),
    Published(
        "mixtral-8x22b",
        "tbressers/WizardLM-2-8x22B at c2092670",
        WIZARD,
        lambda: mixtral(WIZARD),
        281241268224,
    ),
    Published(
        "qwen3-30b-a3b",
        HUB.format("Qwen/Qwen3-30B-A3B"),
        QWEN3_MOE,
        lambda: qwen_moe(QWEN3_MOE),
        61064245248,
    ),
    Published(
        "qwen3-30b-a3b-fp8",
        "config.json of Qwen/Qwen3-30B-A3B-FP8 on the Hub",
        QWEN3_MOE | FP8,
        lambda: qwen_moe(QWEN3_MOE, fp8),
    ),
    Published(
        "gpt-oss-20b",
        HUB.format("openai/gpt-oss-20b"),
        GPT_OSS,
        lambda: gpt_oss(GPT_OSS),
        13761264768,
    ),
    Published(
        "deepseek-v3",
        "roshini0108/InferSim hf_configs/deepseek_v3_config.json at 705af881; sizes of the files on the Hub",
        DEEPSEEK,
        lambda: deepseek(DEEPSEEK, fp8),
        files=688586727753,
    ),
    Published(
        "deepseek-v2-lite",
        "config.json of deepseek-ai/DeepSeek-V2-Lite on the Hub",
        DEEPSEEK_LITE,
        lambda: deepseek(DEEPSEEK_LITE),
    ),
    Published(
        "granite-3.1-1b-a400m",
        "jeremieconte/granite-3.1-1b-a400m-instruct at 73154eec, with the size of its file",
        GRANITE,
        lambda: granite_moe(GRANITE),
        files=2669283096,
    ),
    Published(
        "phi-3-mini-4k",
        "config.json of microsoft/Phi-3-mini-4k-instruct on the Hub",
        PHI3,
        lambda: phi3(PHI3),
    ),
    Published(
        "qwen2.5-7b-awq",
        "config.json of Qwen/Qwen2.5-7B-Instruct-AWQ on the Hub",
        AWQ,
        lambda: dense(QWEN25, qkv_bias=True, linear=awq),
    ),
    Published(
        "qwen2.5-7b-gptq-int4",
        "config.json of Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4 on the Hub",
        GPTQ,
        lambda: dense(QWEN25, qkv_bias=True, linear=gptq),
    ),
)
BY_NAME = {item.name: item for item in ALL}

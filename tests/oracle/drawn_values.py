"""Random values of a header: attention, experts, windows; ``draws`` says which words draw what."""

from __future__ import annotations

import random
from dataclasses import dataclass

Values = dict[str, object]


@dataclass
class Draw:
    """What is being drawn: the source of chance, the words that hold, the values so far."""

    source: random.Random
    words: frozenset[str]
    values: Values

    def some(self, *values: object) -> object:
        return self.source.choice(values)

    def number(self, *values: int) -> int:
        return self.source.choice(values)

    def chance(self, share: float) -> bool:
        return self.source.random() < share

    @property
    def layers(self) -> int:
        return int(str(self.values["block_count"]))

    @property
    def heads(self) -> int:
        return int(str(self.values["attention.head_count"]))

    @property
    def head(self) -> int:
        return int(str(self.values["attention.key_length"]))

    @property
    def width(self) -> int:
        return int(str(self.values["embedding_length"]))


def alibi(draw: Draw) -> None:
    draw.values["attention.max_alibi_bias"] = 8.0


def clamp(draw: Draw) -> None:
    draw.values["attention.clamp_kqv"] = 8.0


def parallel(draw: Draw) -> None:
    draw.values["use_parallel_residual"] = draw.chance(0.5)


def soft(draw: Draw) -> None:
    draw.values |= {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}


def sections(draw: Draw) -> None:
    quarter = draw.head // 8
    draw.values["rope.dimension_sections"] = [quarter, quarter, quarter, quarter]


def deepstack(draw: Draw) -> None:
    draw.values["n_deepstack_layers"] = draw.number(0, 1, min(3, draw.layers))


def experts(draw: Draw) -> None:
    count = draw.number(2, 4, 8, 8, 16, 32, 60, 64, 128, 256)
    draw.values |= {
        "expert_count": count,
        "expert_used_count": min(count, draw.number(1, 2, 2, 4, 6, 8, 10)),
        "expert_feed_forward_length": draw.number(32, 64, 256) * draw.source.randint(1, 24),
        "expert_gating_func": draw.number(1, 2, 2),
        "expert_weights_norm": draw.chance(0.5),
        "expert_weights_scale": draw.some(1.0, 2.5),
        "expert_group_scale": 1.0,
        "interleave_moe_layer_step": 1,
        "moe_every_n_layers": draw.number(1, 2),
    }


def shared(draw: Draw) -> None:
    draw.values["expert_shared_count"] = draw.number(1, 1, 2)


def shared_width(draw: Draw) -> None:
    draw.values["expert_shared_feed_forward_length"] = 64 * draw.source.randint(1, 48)


def dense_lead(draw: Draw) -> None:
    draw.values["leading_dense_block_count"] = draw.number(0, 1, 1, min(3, draw.layers))


def groups(draw: Draw) -> None:
    count = int(str(draw.values["expert_count"]))
    if count % 4 == 0 and draw.chance(0.3):
        draw.values |= {"expert_group_count": 4 if count > 4 else 2, "expert_group_used_count": draw.number(1, 1)}  # fmt: skip
        used = int(str(draw.values["expert_used_count"]))
        draw.values["expert_used_count"] = min(used, count // 4)


def step(draw: Draw) -> None:
    draw.values["interleave_moe_layer_step"] = draw.number(1, 2)


def chunk(draw: Draw) -> None:
    draw.values |= {"expert_chunk_feed_forward_length": 128, "experts_per_group": draw.number(1, 2)}


def nextn(draw: Draw) -> None:
    if draw.layers > 1:
        draw.values["nextn_predict_layers"] = draw.number(0, 1)


# What a nextn block behind the others has of the lists of its header: the most of all layers, or nothing.
BEHIND = {"attention.head_count": True, "attention.head_count_kv": True, "feed_forward_length": False}  # fmt: skip


def behind(draw: Draw) -> None:
    """For half of the draws, one more layer that drafts."""
    if draw.chance(0.5):
        return
    # DeepSeek-V4's reads its window alone.
    pools = "dsv4" not in draw.words and draw.chance(0.7)
    for key, most in (BEHIND | {"attention.compress_ratios": pools}).items():
        found = draw.values.get(key)
        if isinstance(found, list):
            draw.values[key] = [*found, max(found) if most else 0]
    draw.values |= {"block_count": draw.layers + 1, "nextn_predict_layers": 1}


def window(draw: Draw) -> None:
    draw.values["attention.sliding_window"] = draw.number(32, 128, 512, 1024, 4096, 8192)
    if draw.chance(0.3) and "array" not in draw.words:
        draw.values["attention.sliding_window_pattern"] = draw.number(2, 3, 4, 6)


def array(draw: Draw) -> None:
    period = draw.number(2, 3, 4, 6)
    pattern = [(layer + 1) % period != 0 for layer in range(draw.layers)]
    if draw.chance(0.3):
        pattern = [draw.chance(0.6) for _ in range(draw.layers)]
    draw.values["attention.sliding_window_pattern"] = pattern


def window_heads(draw: Draw) -> None:
    head = draw.number(64, 128, 256)
    draw.values |= {"attention.key_length_swa": head, "attention.value_length_swa": head}
    draw.values |= {"rope.dimension_count_swa": head, "rope.freq_base_swa": 1e4}


def inputs_per_layer(draw: Draw) -> None:
    draw.values["embedding_length_per_layer_input"] = draw.number(0, 64, 256)


def borrowed(draw: Draw) -> None:
    draw.values["attention.shared_kv_layers"] = draw.number(0, 0, draw.layers // 3)


def latent(draw: Draw) -> None:
    rank, rope, plain = (
        draw.number(128, 256, 512, 512),
        draw.number(32, 64, 64),
        draw.number(64, 128),
    )
    if "hyper" in draw.words and "kda" in draw.words:
        rope = 0
    value = draw.number(64, 128, 128, 192)
    draw.values |= {
        "attention.head_count_kv": 1,
        "attention.key_length": rank + rope,
        "attention.value_length": rank,
        "attention.key_length_mla": plain + rope,
        "attention.value_length_mla": value,
        "attention.kv_lora_rank": rank,
        "attention.q_lora_rank": draw.number(64, 256, 768, 1536),
        "rope.dimension_count": rope,
    }


def latent_window(draw: Draw) -> None:
    rank, rope = draw.number(128, 256, 512), int(str(draw.values["rope.dimension_count"]))
    draw.values |= {
        "attention.key_length_swa": rank + rope,
        "attention.value_length_swa": rank,
        "attention.key_length_mla_swa": draw.number(64, 128) + rope,
        "attention.value_length_mla_swa": draw.number(64, 128, 192),
        "attention.kv_lora_rank_swa": rank,
        "rope.freq_base_swa": 1e4,
    }


def lora(draw: Draw) -> None:
    rope = draw.number(32, 64)
    draw.values |= {
        "attention.q_lora_rank": draw.number(256, 768),
        "attention.kv_lora_rank": draw.number(128, 256),
        "attention.key_length": draw.number(64, 128) + rope,
        "attention.value_length": draw.number(64, 128),
        "attention.head_count_kv": draw.heads,
        "rope.dimension_count": rope,
    }


def indexer(draw: Draw) -> None:
    draw.values |= {
        "attention.indexer.head_count": draw.number(4, 16, 64),
        "attention.indexer.key_length": 128,
        "attention.indexer.top_k": draw.number(64, 512, 2048),
        "attention.indexer.block_size": draw.number(4, 64, 128),
        "attention.indexer.local_blocks": 1,
    }
    if "msa" in draw.words:
        kv = draw.values["attention.head_count_kv"]
        draw.values |= {
            "attention.indexer.head_count": kv,
            "rope.dimension_count": min(64, draw.head),
        }
    if "lowrank" in draw.words:
        draw.values["attention.indexer.key_length"] = draw.head


def indexer_types(draw: Draw) -> None:
    # Full layers beside windows need one; where a windowed layer has one, too, the program ends.
    near = draw.values.get("attention.sliding_window_pattern")
    marks = [not mark for mark in near] if isinstance(near, list) and not all(near) else []
    count = draw.layers - int(str(draw.values.get("nextn_predict_layers", 0)))
    marks = marks or [layer % 2 == 0 for layer in range(count)]
    draw.values["attention.indexer.types"] = [int(mark) for mark in marks]


def kpool(draw: Draw) -> None:
    draw.values |= {"attention.indexer.kpool": draw.number(2, 4), "attention.indexer.kpool_select_tail": True}  # fmt: skip


def hyper(draw: Draw) -> None:
    draw.values |= {"hyper_connection.count": 4, "hyper_connection.sinkhorn_iterations": draw.number(2, 5), "hyper_connection.epsilon": 1e-6}  # fmt: skip


def low_rank(draw: Draw) -> None:
    ratio, some = draw.number(2, 4, 4, 8), draw.chance(0.3)
    ratios = [0 if some and draw.chance(0.5) else ratio for _ in range(draw.layers)]
    draw.values |= {
        "hyper_connection.low_rank": draw.number(8, 32),
        "attention.compress_ratios": ratios,
    }


def magnitude(draw: Draw) -> None:
    draw.values["hyper_connection.magnitude"] = 2.0


def clamped_experts(draw: Draw) -> None:
    draw.values |= {"swiglu_clamp_exp": 7.0, "swiglu_clamp_shexp": 7.0}

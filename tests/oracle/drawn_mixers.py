"""Random values of layers that are no attention, and of models that run layers in other ways."""

from __future__ import annotations

from gguf_writer import Typed

from oracle.drawn_values import Draw, hyper


def state_space(draw: Draw) -> None:
    inner = draw.width * draw.number(1, 2, 2)
    rank = draw.number(1, 8, 16, 64)
    if "grouped" in draw.words or "heads" in draw.words:
        head = draw.number(32, 64, 64)
        rank = max(1, inner // head)
        inner = rank * head
    draw.values |= {
        "ssm.inner_size": inner,
        "ssm.state_size": draw.number(16, 64, 128, 256),
        "ssm.conv_kernel": 4,
        "ssm.time_step_rank": rank,
        "ssm.group_count": 0,
    }
    if "grouped" in draw.words:
        draw.values["ssm.group_count"] = draw.source.choice([part for part in (1, 2, 4, 8) if rank % part == 0])  # fmt: skip
    if "none" in draw.words:
        draw.values |= {"attention.head_count": 0, "attention.head_count_kv": 0, "feed_forward_length": 0}  # fmt: skip
        del draw.values["attention.key_length"], draw.values["attention.value_length"]


def gated_delta(draw: Draw) -> None:
    groups, times, state = draw.number(1, 2, 4, 16), draw.number(1, 2, 4), draw.number(64, 128, 128)
    draw.values |= {
        "ssm.inner_size": groups * times * state,
        "ssm.state_size": state,
        "ssm.conv_kernel": 4,
        "ssm.time_step_rank": groups * times,
        "ssm.group_count": groups,
    }


def interval(draw: Draw) -> None:
    if draw.layers == 1:
        draw.values["block_count"] = 2
    draw.values["full_attention_interval"] = draw.number(2, 3, 4, 4, 8)


def linear(draw: Draw) -> None:
    draw.values["attention.head_count_kv"] = draw.heads if draw.chance(0.3) else draw.values["attention.head_count_kv"]  # fmt: skip


def some_without_kv(draw: Draw) -> None:
    """Layers without KV heads are recurrent; at least one layer of each kind."""
    layers = max(2, draw.layers)
    draw.values["block_count"] = layers
    kv = draw.values["attention.head_count_kv"]
    period = draw.number(2, 3, 4, 6, 8)
    held = [kv if (layer + 1) % min(period, layers) == 0 else 0 for layer in range(layers)]
    draw.values["attention.head_count_kv"] = held
    if "heads" in draw.words:
        draw.values["attention.head_count"] = [draw.heads if kv else 0 for kv in held]
    if "ff0" in draw.words:
        layers = draw.values["block_count"] = max(3, layers)
        kinds = ["state", "forward", "attention"] + [draw.source.choice(("state", "state", "forward", "attention")) for _ in range(layers - 3)]  # fmt: skip
        width = draw.values["feed_forward_length"]
        draw.values["attention.head_count_kv"] = [
            kv if kind == "attention" else 0 for kind in kinds
        ]
        draw.values["feed_forward_length"] = [width if kind == "forward" else 0 for kind in kinds]


def short_convolution(draw: Draw) -> None:
    draw.values["shortconv.l_cache"] = draw.number(3, 3, 4)


def delta_attention(draw: Draw) -> None:
    draw.values |= {
        "ssm.conv_kernel": 4,
        "kda.head_dim": draw.number(64, 128, 128),
        "kda.safe_gate": True,
        "kda.gate_lower_bound": -5.0,
    }


def wkv(draw: Draw) -> None:
    head = 64
    draw.values |= {
        "wkv.head_size": head,
        "embedding_length": head * draw.heads,
        "token_shift_count": 2 if "none" in draw.words else 1,
        "rescale_every_n_layers": 0,
    }
    if "none" in draw.words:
        draw.values |= {"attention.head_count": 0, "attention.head_count_kv": 0}
    for name in ("key_length", "value_length"):
        del draw.values[f"attention.{name}"]


def wkv6(draw: Draw) -> None:
    wkv(draw)
    draw.values |= {"time_mix_extra_dim": draw.number(32, 64), "time_decay_extra_dim": draw.number(64, 128)}  # fmt: skip


def wkv7(draw: Draw) -> None:
    wkv(draw)
    for name in ("decay", "iclr", "value_residual_mix", "gate"):
        draw.values[f"attention.{name}_lora_rank"] = draw.number(32, 64, 128)


def encoder(draw: Draw) -> None:
    draw.values["attention.causal"] = False
    draw.values["pooling_type"] = draw.number(1, 2)
    if "window" in draw.words:
        draw.values["attention.sliding_window"] = draw.number(128, 512)


def buckets(draw: Draw) -> None:
    draw.values |= {"attention.relative_buckets_count": 32, "decoder_start_token_id": 0}


def reasoning_loops(draw: Draw) -> None:
    per, high, low = draw.number(1, 2, 3), draw.number(1, 2), draw.number(1, 2)
    draw.values |= {"hrm.layers_per_stack": per, "hrm.h_cycles": high, "hrm.l_cycles": low, "block_count": per * high * (low + 1)}  # fmt: skip


def loops(draw: Draw) -> None:
    draw.values |= {"num_loops": draw.number(1, 2, 3), "block_count": min(40, draw.layers)}


def xielu(draw: Draw) -> None:
    for name in ("alpha_n", "alpha_p", "beta", "eps"):
        draw.values[f"xielu.{name}"] = [0.5] * draw.layers


def heads_per_layer(draw: Draw) -> None:
    heads = [draw.number(2, 4, 8) for _ in range(draw.layers)]
    draw.values |= {"attention.head_count": heads, "attention.head_count_kv": [part // 2 for part in heads]}  # fmt: skip
    draw.values["feed_forward_length"] = [256 * draw.number(1, 2, 3) for _ in range(draw.layers)]


def latent_experts(draw: Draw) -> None:
    if draw.chance(0.5):
        draw.values["moe_latent_size"] = 64 * draw.source.randint(1, 16)


def situ(draw: Draw) -> None:
    draw.values |= {"activation.situ_beta": 4.0, "activation.situ_linear_beta": 25.0, "attn_res.block_size": draw.number(4, 12)}  # fmt: skip
    if draw.chance(0.5):
        draw.values["expert_latent_length"] = 64 * draw.source.randint(1, 16)


def ngram(draw: Draw) -> None:
    """One layer that looks up n-grams: the first one, which has recurrent state."""
    grams, per = 3, 2
    count, rows = (grams - 1) * per, 128
    draw.values["embedding_length"] = width = draw.width // 64 * 64 or 64
    draw.values |= {
        "ple.layers": [0],
        "ple.ngram_size": grams,
        "ple.heads_per_ngram": per,
        "ple.conv_kernel": 4,
        "ple.eos_token_id": 0,
        "embedding_length_per_layer_input": width // count,
        "ple.layer_multipliers": Typed("u64", [1, 3, 5]),
        "ple.head_offsets": Typed("u64", [rows * head for head in range(count)]),
        "ple.head_vocab_sizes": Typed("u64", [rows] * count),
    }


def compressed(draw: Draw) -> None:
    heads, head = draw.number(8, 16, 64), draw.number(64, 128, 512)
    draw.values |= {
        "attention.head_count": heads,
        "attention.head_count_kv": 1,
        "attention.key_length": head,
        "attention.value_length": head,
        "rope.dimension_count": draw.number(32, 64),
        "attention.q_lora_rank": draw.number(64, 512),
        "attention.output_group_count": 8,
        "attention.output_lora_rank": draw.number(32, 256),
        "attention.compress_ratios": [draw.number(0, 4, 4, 128) for _ in range(draw.layers)],
        "attention.compress_rope_freq_base": 160000.0,
        "hash_layer_count": min(draw.layers, draw.number(0, 0, 3)),
        "swiglu_clamp_exp": 10.0,
        "expert_weights_norm": True,
        "expert_gating_func": 4,
    }
    hyper(draw)


def adapters(draw: Draw) -> None:
    count = draw.number(1, 2, 5)
    draw.values |= {
        "adapters.count": count,
        "adapters.lora_rank": draw.number(8, 32),
        "adapters.token_ids_activate": list(range(1, count + 1)),
        "adapters.token_ids_substitute": list(range(1, count + 1)),
    }

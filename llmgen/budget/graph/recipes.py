"""One row for each architecture that a decoder of this kind is.

What each row says is read in ``src/models/NAME.cpp`` of b11434.
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from llmgen.budget.graph.feedforward import (
    ALONE,
    BENT,
    BY_WEIGHTS,
    HALVES,
    PARALLEL,
    SQUARED,
    Experts,
)
from llmgen.budget.graph.hyper import FUSED, PRE
from llmgen.budget.graph.recipe import (
    DRAFTS_READ,
    SIGMOID,
    Beside,
    Block,
    Heads,
    Picks,
    Recipe,
    Rope,
    Warmth,
)

_SCALED: Final = Experts(scales=True)
_LLAMA: Final = Recipe(factors=True, scales=True, experts=_SCALED)
_PLAIN: Final = Recipe()
_LAYER_NORM: Final = Recipe(norm="NORM", kind=ALONE)
_FSA: Final = ("feed", "stream", "added")
_CAPPED: Final = ("=SCALE", "TANH", "=SCALE")
_UNNORMED: Final = Experts(normed=False)
_BY_HEADER: Final = Experts(score="header", normed=None, scaled=True)

# Builds have been asked for these since they are there.
_BLOCK: Final = Block(since=0, until=10**9)
_READ_BLOCK: Final = Block()
_LATENT_BLOCK: Final = Block(special="latent_block")

_NEMOTRON: Final = Recipe(
    mixer="state space by heads",
    alone=True,
    rope=Rope.NONE,
    kind=SQUARED,
    scales=True,
    experts=Experts(score="sigmoid", normed=None, scaled=True, kind=SQUARED, scales=True),
    rows_last=True,
)
_LFM2: Final = Recipe(
    mixer="short convolution",
    onto_stream=True,
    sum=("stream", "feed"),
    experts=Experts(score="header"),
    output_norm="token_embd_norm",
    embeds_alone=True,
)
_GATED: Final = Recipe(
    mixer="delta net",
    gated=True,
    normed_first=True,
    feed_norm="post_attention_norm",
    shared_gate=SIGMOID,
    scales=True,
    experts=Experts(scales=True),
    rows_last=True,
    block=_BLOCK,
)
_INDEXED: Final = Recipe(
    scales=True,
    special="indexed",
    experts=Experts("header", normed=None, scaled=True, scales=True),
    every=True,
    linear_from="attention.indexer.top_k",
    block=_LATENT_BLOCK,
)

# Scales that no product of this kind reads.
_QKV_SCALE: Final = ("attn_qkv.scale",)
_HEADS_SCALES: Final = ("attn_q.scale", "attn_k.scale", "attn_v.scale", "attn_qkv.scale")

_CAPPED_IF_ANY: Final = ("?SCALE", "?TANH", "?SCALE")
_BOTH_POST: Final = ("post_attention_norm", "post_ffw_norm")

# Norms behind attention and feed-forward, and no cache.
_ENCODER: Final = Recipe(
    special="encoder", norm="NORM", kind=ALONE, output_norm="", cached=False, embeddings=True
)
_NO_CACHE: Final = Recipe(cached=False)
_T5: Final = Recipe(special="relative", rope=Rope.NONE, kind=BY_WEIGHTS, own_inputs=True)
_SHIFTED: Final = Recipe(special="rwkv", norm="NORM", input_norm="token_embd_norm")
_NO_LOGITS: Final = Recipe(cached=False, embeddings=True)

RECIPES: Final[dict[str, Recipe]] = {
    "llama": _LLAMA,
    "mistral3": Recipe(factors=True, scales=True, experts=_SCALED, warms=Warmth.BY_HEADER),
    "qwen2": _PLAIN,
    "qwen2moe": Recipe(experts=_UNNORMED, shared_gate=True),
    "qwen2vl": Recipe(positions=4, unread=("output.bias",)),
    "qwen3": Recipe(scales=True),
    "qwen3moe": Recipe(experts=_SCALED),
    "qwen3vl": Recipe(positions=4),
    "qwen3vlmoe": Recipe(positions=4),
    "internlm2": _PLAIN,
    "seed_oss": Recipe(feed_norm="post_attention_norm"),
    "gemma": Recipe(scaled="always", query_scaled=True),
    "gemma2": Recipe(
        scaled="always",
        query_scaled=True,
        caps=1,
        post=("post_attention_norm", "post_ffw_norm"),
        logits=_CAPPED,
    ),
    "gemma3": Recipe(
        scaled="rows", query_scaled=True, post=("post_attention_norm", "post_ffw_norm")
    ),
    "gemma3n": Recipe(special="gemma3n", scaled="rows", sparse=10, logits=_CAPPED),
    "gemma4-assistant": Recipe(
        special="assistant", factors=True, since=DRAFTS_READ, until=DRAFTS_READ + 1
    ),
    "eagle3": Recipe(special="eagle3", factors=True, since=DRAFTS_READ, until=DRAFTS_READ + 1),
    "dflash": Recipe(special="dflash", factors=True, since=DRAFTS_READ, until=DRAFTS_READ + 1),
    "gemma4": Recipe(
        special="gemma4", scaled="rows", factors=True, experts=_SCALED, logits=_CAPPED
    ),
    "gpt-oss": Recipe(
        sinks=True,
        feed_norm="post_attention_norm",
        experts=Experts(score="none", normed=False),
    ),
    "phi2": Recipe(
        norm="NORM",
        kind=ALONE,
        query_scaled=True,
        beside=Beside.ATTENTION_INPUT,
        sum=("added", "feed", "stream"),
    ),
    "phi3": Recipe(factors=True, query_scaled=True, kind=HALVES, sum=("stream", "feed")),
    "phimoe": Recipe(factors=True, query_scaled=True, kind=HALVES, sum=("stream", "feed")),
    "glm4": Recipe(kind=HALVES, post=("post_attention_norm", "post_ffw_norm"), positions=0),
    "glm4moe": Recipe(
        feed_norm="post_attention_norm", experts=_BY_HEADER, positions=0, block=_BLOCK
    ),
    "command-r": Recipe(
        norm="NORM", rope=Rope.EVERY, beside=Beside.ATTENTION_INPUT, sum=_FSA, logits=("SCALE",)
    ),
    "cohere2": Recipe(
        norm="NORM",
        scales=True,
        rope=Rope.WINDOWED,
        factors=True,
        beside=Beside.ATTENTION_INPUT,
        sum=_FSA,
        logits=("SCALE",),
    ),
    "exaone": Recipe(factors=True),
    "exaone4": Recipe(
        rope=Rope.WINDOWED_IF_ANY,
        factors=True,
        unnormed=True,
        feed_norm="",
        post=("post_attention_norm", "post_ffw_norm"),
    ),
    "olmo2": Recipe(
        unnormed=True,
        heads=Heads.ROW,
        feed_norm="",
        post=("post_attention_norm", "post_ffw_norm"),
    ),
    "olmoe": Recipe(heads=Heads.ROW, experts=_UNNORMED),
    "starcoder2": _LAYER_NORM,
    "starcoder": Recipe(norm="NORM", kind=ALONE, rope=Rope.NONE, learned=True),
    "falcon": Recipe(
        norm="NORM",
        kind=ALONE,
        beside=Beside.ATTENTION_INPUT,
        sum=("feed", "added", "stream"),
    ),
    "bloom": Recipe(norm="NORM", kind=ALONE, rope=Rope.NONE, input_norm="token_embd_norm"),
    "nemotron": Recipe(norm="NORM", kind=SQUARED),
    "deepseek": Recipe(factors=True, experts=Experts(normed=False, scaled=True)),
    "dots1": Recipe(experts=_BY_HEADER),
    "minimax-m2": Recipe(heads=Heads.ROW, experts=Experts(score="header")),
    "minimax-m3": Recipe(
        since=10335,
        special="blockwise",
        experts=_BY_HEADER,
        feed_biases=False,
        output_biased=False,
        own_inputs=True,
    ),
    "smollm3": Recipe(rope=Rope.SKIPPED),
    "llama4": Recipe(
        factors=True,
        rope=Rope.SKIPPED,
        warms=Warmth.UNROTATED,
        heads=Heads.BEHIND,
        bare_heads=128,
        experts=Experts(score="sigmoid", normed=False, early=True),
    ),
    "granite": Recipe(factors=True, scaled="header", residual_scaled="header", logits=("SCALE",)),
    "granitemoe": Recipe(
        factors=True,
        scaled="header",
        residual_scaled="header",
        logits=("SCALE",),
    ),
    "minicpm": Recipe(
        factors=True, scaled="constant", residual_scaled="constant", logits=("=SCALE",)
    ),
    "ernie4_5": Recipe(output_biased=False),
    "ernie4_5-moe": Recipe(
        feed_biases=False,
        output_biased=False,
        shared_bare="expert_shared_feed_forward_length",
        routed_each="interleave_moe_layer_step",
    ),
    "paddleocr": Recipe(positions=4),
    "hunyuan-dense": Recipe(factors=True, heads=Heads.AFTER),
    "hunyuan-moe": Recipe(factors=True, heads=Heads.AFTER),
    "hunyuan_vl": Recipe(factors=True, heads=Heads.AFTER, positions=0),
    "arcee": Recipe(factors=True, kind=SQUARED),
    "xverse": _PLAIN,
    "orion": Recipe(norm="NORM"),
    "qwen": _PLAIN,
    "olmo": Recipe(norm="NORM", clamped=True),
    "codeshell": _LAYER_NORM,
    "gpt2": Recipe(norm="NORM", kind=ALONE, rope=Rope.NONE, learned=True),
    "dbrx": Recipe(norm="NORM", feed_norm="attn_output_norm", clamped=True),
    "exaone-moe": Recipe(rope=Rope.WINDOWED, factors=True, experts=_BY_HEADER),
    "pangu-embedded": _PLAIN,
    "maincoder": Recipe(heads=Heads.AFTER),
    "plamo": Recipe(beside=Beside.ATTENTION_INPUT, sum=("feed", "added", "stream")),
    "bailingmoe": Recipe(factors=True, experts=Experts(normed=None, scaled=True)),
    "bailingmoe2": Recipe(experts=_BY_HEADER),
    "gptneox": Recipe(norm="NORM", kind=ALONE, beside=Beside.BY_HEADER, sum=_FSA),
    "baichuan": Recipe(rope=Rope.IF_32_LAYERS),
    "stablelm": Recipe(norm="NORM", feed_norm_optional=True),
    "deepseek2": Recipe(special="latent", experts=_BY_HEADER, block=_LATENT_BLOCK),
    "mistral4": Recipe(special="latent", experts=_BY_HEADER),
    "deepseek4": Recipe(
        since=10335,
        special="compressed",
        fused=FUSED,
        mixed=False,
        experts=_BY_HEADER,
        block=Block(special="compressed_block"),
        every=True,
        linear=False,
    ),
    "hy_v4": Recipe(
        since=10952,
        special="independent",
        sinks=True,
        turns_index=False,
        experts=_BY_HEADER,
        feed_biases=False,
        every=True,
        linear_from="attention.indexer.top_k",
    ),
    "deepseek32": _INDEXED,
    "glm-dsa": _INDEXED,
    "dots3note": structs.replace(_INDEXED, special="windowed", block=None),
    "apertus": Recipe(factors=True, kind=ALONE, unread=("attn_q_norm.bias", "attn_k_norm.bias")),
    "mamba": Recipe(mixer="state space", alone=True),
    "mamba2": Recipe(mixer="state space by heads", alone=True),
    "falcon-h1": Recipe(mixer="state space by heads", both=True),
    "jamba": Recipe(
        mixer="state space",
        rope=Rope.NONE,
        experts=_UNNORMED,
        onto_stream=True,
        sum=("stream", "feed"),
    ),
    "granitehybrid": Recipe(
        mixer="state space by heads",
        rope=Rope.BY_HEADER,
        factors=True,
        scaled="header",
        residual_scaled="header",
        logits=("SCALE",),
    ),
    "nemotron_h": _NEMOTRON,
    "nemotron_h_moe": structs.replace(
        _NEMOTRON, block=Block(Picks.SUM, feed_norm="post_attention_norm", norm="NORM")
    ),
    "plamo2": Recipe(
        unread=(*_QKV_SCALE, "ssm_in.scale", "ssm_out.scale", "ssm_x.scale", "ssm_dt.scale"),
        mixer="gated state space by heads",
        kind=HALVES,
        post=("post_attention_norm", "post_ffw_norm"),
    ),
    "lfm2": _LFM2,
    "lfm2moe": _LFM2,
    "qwen3next": structs.replace(
        _GATED,
        mixer="paired delta net",
        block=Block(Picks.ATTENTION, since=0, until=10**9),
        unread=("attn_qkv.scale", "attn_gate.scale", "ssm_out.scale"),
    ),
    "qwen35": structs.replace(_GATED, positions=4, projected=True),
    "qwen35moe": structs.replace(_GATED, positions=4),
    "qwen4exp": structs.replace(
        _GATED,
        special="qwen4",
        unread=("attn_q.bias", "attn_k.bias", "attn_v.bias"),
        mixer="copied delta net",
        fused=(PRE,),
        positions=4,
        rows_last=False,
        own_inputs=True,
        every=True,
        linear=False,
        block=Block(special="qwen4_block"),
        since=11391,
    ),
    "chatglm": Recipe(kind=HALVES),
    "jais": Recipe(norm="NORM", rope=Rope.NONE),
    "minimax-01": Recipe(special="lightning"),
    "cogvlm": Recipe(mixed=False, picks=False, unread=_QKV_SCALE),
    "graniteswitch": Recipe(
        special="switch",
        rope=Rope.BY_HEADER,
        factors=True,
        residual_scaled="header",
        logits=("=SCALE",),
        own_inputs=True,
    ),
    "rwkv6": _SHIFTED,
    "rwkv7": _SHIFTED,
    "rwkv6qwen2": Recipe(special="rwkv", feed_biases=False),
    "arwkv7": Recipe(special="rwkv", feed_biases=False),
    "kimi-linear": Recipe(
        unread=_HEADS_SCALES,
        special="kimi",
        mixer="delta attention",
        rope=Rope.NONE,
        normed_first=True,
        feed_biases=False,
        experts=Experts("header", scaled=True),
        shared_bare=True,
    ),
    "kimi-k3": Recipe(
        unread=(*_HEADS_SCALES, "attn_output.scale", "output.scale"),
        special="checkpoints",
        mixer="delta attention",
        rope=Rope.NONE,
        kind=BENT,
        feed_biases=False,
        experts=Experts("header", normed=None, scaled=True, kind=BENT),
        every=True,
        since=10715,
    ),
    "glm5-next": Recipe(
        unread=(*_HEADS_SCALES, "attn_output.scale", "output.scale"),
        special="pooled",
        mixer="delta attention",
        rope=Rope.NONE,
        feed_biases=False,
        experts=Experts("header or sigmoid", normed=None, scaled=True),
        fused=FUSED,
        every=True,
        linear=False,
        since=11391,
    ),
    "bailingmoe3": Recipe(
        special="kimi",
        mixer="delta attention",
        positions=0,
        feed_biases=False,
        experts=Experts("header", normed=None, scaled=True, limit="swiglu_clamp_exp"),
        limit="swiglu_clamp_shexp",
        rows_last=True,
        block=Block(special="kimi_block"),
    ),
    "grok": Recipe(
        special="beside",
        scaled="constant",
        caps=1,
        post=("attn_output_norm", "post_ffw_norm"),
        logits=("=SCALE", "=SCALE", "TANH", "=SCALE"),
    ),
    "arctic": Recipe(special="beside", output_biased=False),
    "deepseek2-ocr": Recipe(feed_biases=False, output_biased=False, experts=_BY_HEADER),
    "chameleon": Recipe(
        special="chameleon",
        head_norm="NORM",
        feed_biases=False,
        output_biased=False,
        images=True,
    ),
    "grovemoe": Recipe(special="grove"),
    "smallthinker": Recipe(special="thinker", rope=Rope.BEHIND_FIRST, experts=Experts("header")),
    "talkie": Recipe(
        special="talkie",
        scales=True,
        unread=("ffn_up.scale", "ffn_gate.scale"),
        input_norm="inp_norm",
        heads=Heads.AFTER,
        feed_biases=False,
        output_biased=False,
        logits=("=SCALE",),
    ),
    "deci": Recipe(special="deci", factors=True),
    "minicpm3": Recipe(
        special="latent",
        scaled="constant",
        residual_scaled="constant",
        feed_biases=False,
        output_biased=False,
        rows_scaled=True,
    ),
    "plm": Recipe(special="latent", kind=SQUARED, feed_biases=False, output_biased=False),
    "hrm_text": Recipe(
        special="stacks", scaled="header", output_gate=True, output_norm="", every=True
    ),
    "nanbeige": Recipe(special="loops", factors=True, scales=True, every=True),
    "mpt": Recipe(
        norm="NORM", kind=ALONE, rope=Rope.NONE, learned=True, clamped=True, heads=Heads.JOINED
    ),
    "refact": Recipe(rope=Rope.NONE, feed_biases=False, output_biased=False, routed=False),
    "jais2": Recipe(norm="NORM", kind=SQUARED),
    "pockettts": Recipe(norm="NORM", kind=ALONE, feed_biases=False, output_biased=False),
    "openelm": Recipe(
        onto_stream=True,
        feed_biases=False,
        output_biased=False,
        heads_biased=False,
        unread=_QKV_SCALE,
    ),
    "hy_v3": Recipe(
        factors=True,
        scales=True,
        experts=Experts("header", normed=None, scaled=True, scales=True),
        shared_bare=True,
        rows_last=True,
        block=_READ_BLOCK,
    ),
    "qwen3tts": Recipe(positions=4),
    "plamo3": Recipe(heads_biased=False, kind=HALVES, post=_BOTH_POST, unread=_QKV_SCALE),
    "mellum": Recipe(experts=Experts(scales=True)),
    "maple": Recipe(rope=Rope.WINDOWED),
    "granite_swa": Recipe(
        rope=Rope.LISTED,
        factors=True,
        scaled="header",
        residual_scaled="header",
        sinks=True,
        shared_kind=HALVES,
        logits=("=SCALE",),
    ),
    "mimo2": Recipe(
        unread=_HEADS_SCALES,
        heads_biased=False,
        output_biased=False,
        sinks=True,
        experts=Experts("sigmoid"),
        values_scaled="attention.value_scale",
        block=Block(Picks.LAYER),
    ),
    "spark2_5": Recipe(output_gate=True),
    "step35": Recipe(
        heads=Heads.COPIED,
        factors=True,
        output_gate=True,
        experts=Experts("header or sigmoid", normed=None, scaled=True, limit="swiglu_clamp_exp"),
        limit="swiglu_clamp_shexp",
        shared_bare=True,
        block=Block(Picks.LAYER),
    ),
    "cohere2moe": Recipe(
        norm="header",
        rope=Rope.WINDOWED_OR_DENSE,
        factors=True,
        scales=True,
        beside=Beside.ATTENTION_INPUT,
        experts=Experts("header", normed=None, scaled=True, scales=True),
        halved=True,
        sum=_FSA,
        rows_last=True,
        logits=("SCALE",),
        block=Block(rope=Rope.EVERY),
    ),
    "muse-glimmer": Recipe(
        input_norm="embd_norm",
        rope=Rope.WINDOWED,
        output_gate=True,
        post=_BOTH_POST,
        post_first=True,
        logits=("=SCALE", *_CAPPED_IF_ANY),
    ),
    "afmoe": Recipe(
        scaled="always",
        rope=Rope.SKIPPED,
        output_gate=True,
        post=_BOTH_POST,
        post_first=True,
        experts=_BY_HEADER,
    ),
    "laguna": Recipe(output_gate=True, experts=_BY_HEADER),
    "bitnet": Recipe(inner=("attn_sub_norm", "ffn_sub_norm"), scales=True, reads_embedding=True),
    "bert": structs.replace(_ENCODER, rope=Rope.NONE, learned=True),
    "nomic-bert": structs.replace(_ENCODER, kind=PARALLEL, feed_biases=False),
    "nomic-bert-moe": structs.replace(_ENCODER, experts=_UNNORMED),
    "jina-bert-v2": structs.replace(_ENCODER, rope=Rope.NONE, kind=BY_WEIGHTS),
    "jina-bert-v3": _ENCODER,
    "modern-bert": structs.replace(
        _NO_LOGITS,
        norm="NORM",
        input_norm="token_embd_norm",
        norm_optional=True,
        kind=HALVES,
        ranks_mean=True,
    ),
    "neo-bert": structs.replace(_NO_LOGITS, kind=HALVES, output_norm="enc.output_norm"),
    "eurobert": _NO_LOGITS,
    "gemma-embedding": structs.replace(
        _NO_LOGITS,
        scaled="rows",
        query_scaled=True,
        post=("post_attention_norm", "post_ffw_norm"),
    ),
    "t5": structs.replace(_T5, output_norm="dec.output_norm"),
    "t5encoder": structs.replace(_T5, output_norm="enc.output_norm", cached=False, embeddings=True),
    "llama-embed": structs.replace(_LLAMA, cached=False, embeddings=True),
    "dream": structs.replace(_NO_CACHE, unread=("output.bias",)),
    "llada": structs.replace(_NO_CACHE, feed_biases=False, output_biased=False),
    "llada-moe": structs.replace(_NO_CACHE, experts=_UNNORMED),
    "rnd1": _NO_CACHE,
}

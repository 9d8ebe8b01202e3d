"""Random hyperparameters of every architecture, so that no rule can be fitted to a shape.

An architecture is a name and the words that say which keys its header has (``KINDS``); values are drawn
freely within what loaders accept. Some draws are not loadable all the same: ``draw_files`` draws again.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from oracle import drawn_mixers as mixers
from oracle import drawn_values as values
from oracle.drawn_values import Draw
from oracle.shapes import Shape

# Every architecture that llama.cpp serves by itself (drafts and vocoders do not), by the words of WORDS that hold for it.
KINDS = """
llama rot moe? | deci rot | falcon rot | llama-embed rot | mistral3 moe? | mistral4 latent moe shared lead groups
grok moe | gpt2 mha | gptneox mha parallel | mpt mha alibi clamp | baichuan mha | starcoder | starcoder2
refact mha alibi | bloom mha alibi | stablelm parallel | qwen mha | qwen2 | qwen2moe moe shwidth | qwen2vl sections
qwen3 | qwen3moe moe | qwen3vl sections deepstack | qwen3vlmoe moe sections deepstack | phi2 | phi3 window?
phimoe moe | plamo | plamo3 window? | codeshell mha | orion | internlm2 | minicpm moe? | gemma | gemma2 window? soft
gemma3 window? | gemma3n window | gemma4 window array swahead ple borrow | xverse mha | command-r | cohere2 window
cohere2moe window array moe shared lead nextn | dbrx moe clamp | olmo clamp? | olmo2 window? | olmoe moe | arctic moe
deepseek moe shared lead | deepseek2 latent moe shared lead nextn groups | deepseek2-ocr moe shared lead
deepseek32 latent indexer moe shared lead nextn groups | glm-dsa latent indexer types moe shared lead nextn groups
chatglm | glm4 nextn? | glm4moe moe shared lead nextn | bitnet | jais mha alibi | jais2 mha | nemotron | exaone
exaone4 window? | exaone-moe window moe shared lead nextn | granite | granitemoe moe shwidth? | granite_swa window array moe?
chameleon | bailingmoe moe shared lead | bailingmoe2 moe shared lead nextn groups | dots1 moe shared lead
arcee | ernie4_5 | ernie4_5-moe moe shwidth step lead | hunyuan-moe moe shwidth | hunyuan-dense | hunyuan_vl sections
hy_v3 moe shwidth lead nextn | smollm3 | seed_oss | grovemoe moe chunk | apertus xielu | minimax-m2 moe | cogvlm
pangu-embedded | paddleocr sections | maincoder | talkie | qwen3tts sections big | openelm perlayer | minicpm3 lora
plm lora | t5 buckets mha | t5encoder buckets mha | hrm_text hrm | nanbeige loops | dream | llada mha | llada-moe moe
rnd1 moe | bert encoder mha | jina-bert-v2 encoder mha | jina-bert-v3 encoder mha | nomic-bert encoder mha
nomic-bert-moe encoder mha moe | neo-bert encoder mha | eurobert encoder | modern-bert encoder mha window?
gemma-embedding encoder window | mamba ssm none | mamba2 ssm grouped none | jamba ssm kv0 moe? | plamo2 ssm kv0 heads
falcon-h1 ssm grouped | granitehybrid ssm grouped kv0 moe? shwidth? | nemotron_h ssm grouped kv0 ff0
nemotron_h_moe ssm grouped kv0 ff0 moe shared shwidth latentmoe behind | lfm2 conv kv0 | lfm2moe conv kv0 moe lead
kimi-linear latent kda kv0 moe shared lead | kimi-k3 latent kda kv0 moe shared lead situ
bailingmoe3 latent kda kv0 moe shared lead clampmoe sections behind
glm5-next latent kda kv0 moe shared lead indexer kpool hyper
minimax-01 interval moe linear | minimax-m3 indexer msa moe shared lead | qwen3next gated interval moe shwidth nextn
qwen35 gated interval sections nextn | qwen35moe gated interval moe shwidth sections nextn
qwen4exp gated interval moe shwidth sections indexer hyper lowrank ngram behind
rwkv6 wkv6 none | rwkv6qwen2 wkv6 gqa | rwkv7 wkv7 none | arwkv7 wkv7 | gpt-oss window moe
llama4 window? moe shared step | afmoe window? moe shared lead | mellum window? moe | laguna window? moe shwidth lead
smallthinker window? moe | mimo2 window array moe nextn | step35 window array moe shwidth nextn | spark2_5 window array
muse-glimmer window | maple window array moe clampmoe | dots3note window array latent latentswa indexer types moe shared lead
hy_v4 latent indexer types hyper magnitude moe shared lead clampmoe | deepseek4 dsv4 window indexer moe shared behind
pockettts | graniteswitch adapters
"""


# What each word of KINDS draws, in this order.
WORDS: dict[str, Callable[[Draw], None]] = {
    "alibi": values.alibi, "clamp": values.clamp, "parallel": values.parallel, "soft": values.soft, "sections": values.sections, "deepstack": values.deepstack,
    "moe": values.experts, "shared": values.shared, "shwidth": values.shared_width, "lead": values.dense_lead, "groups": values.groups, "step": values.step,
    "chunk": values.chunk, "nextn": values.nextn, "window": values.window, "array": values.array, "swahead": values.window_heads,
    "ple": values.inputs_per_layer, "borrow": values.borrowed, "latent": values.latent, "latentswa": values.latent_window, "lora": values.lora,
    "ssm": mixers.state_space, "gated": mixers.gated_delta, "interval": mixers.interval, "linear": mixers.linear, "kv0": mixers.some_without_kv,
    "conv": mixers.short_convolution, "kda": mixers.delta_attention, "wkv6": mixers.wkv6, "wkv7": mixers.wkv7, "encoder": mixers.encoder,
    "buckets": mixers.buckets, "hrm": mixers.reasoning_loops, "loops": mixers.loops, "xielu": mixers.xielu, "perlayer": mixers.heads_per_layer,
    "latentmoe": mixers.latent_experts, "situ": mixers.situ, "dsv4": mixers.compressed, "indexer": values.indexer, "types": values.indexer_types,
    "kpool": values.kpool, "hyper": values.hyper, "lowrank": values.low_rank, "magnitude": values.magnitude, "clampmoe": values.clamped_experts,
    "ngram": mixers.ngram, "adapters": mixers.adapters, "behind": values.behind,
}  # fmt: skip


# Whose nextn block drafts, and is asked for it: llama.cpp has a graph of it (graph_mtp).
DRAFTING = frozenset((
    "bailingmoe3", "cohere2moe", "deepseek2", "deepseek32", "deepseek4", "glm-dsa", "glm4moe", "hy_v3", "mimo2", "nemotron_h_moe",
    "qwen35", "qwen35moe", "qwen3next", "qwen4exp", "step35",
))  # fmt: skip


def architectures() -> dict[str, frozenset[str]]:
    """Each architecture with its words."""
    rows = (row.split() for line in KINDS.strip().splitlines() for row in line.split("|"))
    return {name: frozenset(words) for name, *words in rows}


def draw_shape(source: random.Random, architecture: str) -> Shape:
    """A random shape; words with a question mark hold for half of the draws."""
    words = architectures()[architecture]
    held = frozenset(
        word.rstrip("?") for word in sorted(words) if word[-1] != "?" or source.random() < 0.5
    )
    draw = Draw(source, held, {})
    _basics(draw)
    for word, drawn in WORDS.items():
        if word in held:
            drawn(draw)
    vocabulary = 3072 if "big" in held else draw.number(*VOCABULARIES)
    recipe = str(draw.some("q4_k_m", "q4_k_m", "q8_0", "f16", "q5_k", "mxfp4"))
    name = f"fresh/{architecture}"
    return Shape(name, architecture, vocabulary, "drawn", draw.values, recipe=recipe)


VOCABULARIES = (128, 1000, 5003, 30522, 32000, 49155, 50257, 65536, 100352, 128256, 151936, 202048, 250002, 262144)  # fmt: skip
LAYERS = (1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 21, 24, 28, 32, 36, 40, 48, 61)
HEADS = (1, 2, 3, 4, 5, 6, 7, 8, 8, 10, 12, 14, 16, 16, 20, 24, 28, 32, 32, 40, 48, 64, 96, 128)
HEAD_SIZES = (32, 40, 48, 64, 64, 72, 80, 96, 112, 128, 128, 128, 160, 192, 256)
CONTEXTS = (512, 2048, 4096, 8192, 32768, 40960, 131072, 262144)


def _basics(draw: Draw) -> None:
    heads, head = draw.number(*HEADS), draw.number(*HEAD_SIZES)
    width = heads * head
    if not draw.words & {"mha", "wkv6", "wkv7"} and draw.chance(0.35):
        width = draw.number(64, 32, 256) * draw.source.randint(2, 32)
    shared = [part for part in range(1, heads + 1) if heads % part == 0]
    forward = draw.number(32, 64, 256) * draw.source.randint(2, 64)
    draw.values |= {
        "block_count": draw.number(*LAYERS),
        "context_length": draw.number(*CONTEXTS),
        "embedding_length": width,
        "feed_forward_length": forward,
        "attention.head_count": heads,
        "attention.head_count_kv": heads if "mha" in draw.words else draw.source.choice(shared),
        "attention.key_length": head,
        "attention.value_length": head,
        "attention.layer_norm_epsilon": 1e-5,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.dimension_count": head,
        "logit_scale": 1.0,
        "residual_scale": 1.0,
        "embedding_scale": 2.0,
    }
    if not draw.words & {"rot", "sections", "latent"} and draw.chance(0.15):
        draw.values["rope.dimension_count"] = max(2, head // 4 * 2)

"""What changed with which build of llama.cpp: one line for each boundary."""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct

# Context and weights are exact from OLDEST to NEWEST; DEFAULT is the newest that the whole test
# grid has passed.
OLDEST: Final = 9464
NEWEST: Final = 11739
DEFAULT: Final = 11434
_EVER: Final = 10**9


class Rule(Enum):
    """A rule that only some builds follow."""

    LOGITS_FOR_MICRO_BATCH = "logits for the whole micro-batch"
    NEXTN_UNKNOWN = "the nextn block is a layer as others are"
    NEXTN_CACHED = "the nextn block has a cache"
    NEXTN_LOADED = "the nextn block is loaded"
    NEXTN_BIAS_LOADED = "the attention biases of the nextn block are loaded"
    NEXTN_EXPERTS_LOADED = "experts of the nextn block with gate and up in one are loaded"
    QUANTISED_V_LEAVES_AUTO = "a quantised V does not turn `auto` into flash attention"
    NO_INDEXER = "no cache for the indexer"
    EVERY_INDEXER = "indexer keys on every layer"
    LATENT_TYPES_FREE = "latent attention takes a V type that differs from K's"
    PLAIN_INDEXER = "indexer rows in f16, whatever the cache types"
    ONE_POOLED_ROW = "pooled indexers keep one row"
    LISTED_PATTERN_IGNORED = "a list of windowed layers does not replace the period"
    SINKS_ATTRACT = "flash attention runs where its sinks are"
    SPLIT_INPUTS_BOUNDED = "a part of the graph has at most 30 inputs"
    MIXED_BATCH = "a batch may mix tokens and embeddings"
    UNFUSED_INDEXER = "scores of each indexer head"
    EMBEDS_WITHOUT_LOGITS = "no logits in embedding servers"
    LOGITS_BEHIND_EXPERTS = "logits of embedding servers lie behind the experts"
    ROWS_FIRST = "rows of tokens come before other inputs"
    DEEP_ROWS_LEFT = "rows of later layers stay on the host"
    LAYER_ROWS_FIRST = "rows of the tokens for each layer are looked up in front of the stream"
    POOLED_WITHOUT_LOGITS = "no logits for tokens that are pooled"
    ENCODER_WITHOUT_ROWS = "an encoder does not ask for an output of every token"
    ENCODER_MASK_PADDED = "masks of encoders are padded as those of caches"
    ONE_SLOT_RESERVED = "a graph for one slot is reserved, too"
    LAST_LAYER_WHOLE = "the last layer computes every token"
    STREAM_HANDED_ON = "the stream in front of the last norm is kept for nextn blocks"
    PARTS_ROTATED = "a part that is rotated is taken out of its row, and joined again"
    BLOCKS_OF_SLOTS = "each slot has compressed rows for its own tokens"
    STRENGTHS_COPIED = "how strongly tokens write to a paired delta net is copied first"
    TIME_STEPS_COPIED = "time steps of a state space are copied before their product"
    STATES_AT_ONCE = "states of slots that run and of all others are gathered at once"
    L2_NORM = "queries and keys of delta nets are normed by one operation"
    GATE_RESHAPED = "the gate of attention is a view, over which nothing is written"
    CLAMPS_OVER = "limits are written over what they limit"
    ROWS_BEHIND_FEED = "the last layer takes rows of outputs behind its feed-forward"
    SLOTS_APART = "rows in front of and behind a state space with heads have an extent for slots"
    ROTATED_BY_HEADER = "the header says whether queries and keys are rotated"
    ONE_POSITION = "sections of the rotation are not looked for"
    EXPERTS_BY_HEADER = "the header says how experts are chosen and weighed"
    POOLS_GATHERED = "small micro-batches gather what they read of pools that gates weigh"
    POOLS_RESHAPED = "each layer reshapes the inputs of pools for itself"
    POSITIONS_FIRST = "positions of encoders are looked up before tokens"


class Boundary(Struct, frozen=True):
    """``rule`` holds from build ``since`` up to, and without, ``until``; () is any architecture."""

    rule: Rule
    since: int
    until: int
    architectures: tuple[str, ...]
    source: str


# These read the window pattern as a number only; later architectures always took a list.
_PERIODS: Final = (
    *("afmoe", "cohere2", "exaone-moe", "exaone4", "gemma2", "gemma3", "gemma3n", "gpt-oss"),
    *("llama4", "olmo2", "plamo3", "smallthinker"),
)
_DEEP: Final = ("qwen3vl", "qwen3vlmoe")
_LFM: Final = ("lfm2", "lfm2moe")
_WHOLE_LAST: Final = ("mamba", "gemma3n")
_WHOLE_LAST_ONCE: Final = ("hy_v3", "cohere2moe", "bailingmoe3")
_NEMOTRON: Final = ("nemotron_h", "nemotron_h_moe")
_QWEN_WHOLE_LAST: Final = ("qwen35", "qwen35moe")
_LINEAR: Final = ("kimi-linear", "minimax-01")
_QWEN_MTP: Final = ("qwen35", "qwen35moe", "qwen3next")

# "a…b" in a source: the program of build a still followed the old rule, that of b the new one.
BOUNDARIES: Final[tuple[Boundary, ...]] = (
    Boundary(Rule.LOGITS_FOR_MICRO_BATCH, 0, 9464, (), "PR 23861, 23988"),
    Boundary(Rule.NEXTN_CACHED, 9528, 10909, ("glm4moe",), "9518…9528, 10894…10909"),
    Boundary(Rule.NEXTN_CACHED, 9528, 10236, ("glm-dsa",), "9518…9528, 10152…10236"),
    Boundary(Rule.NEXTN_CACHED, 10261, 10909, ("deepseek2",), "10204…10261, as glm4moe's"),
    Boundary(Rule.NO_INDEXER, 0, 10108, ("glm-dsa",), "10103…10108"),
    Boundary(Rule.EVERY_INDEXER, 10108, 10236, ("glm-dsa",), "10103…10108, 10152…10236"),
    Boundary(Rule.LATENT_TYPES_FREE, 0, 10236, (), "10152…10236"),
    Boundary(Rule.QUANTISED_V_LEAVES_AUTO, 0, 10236, (), "10152…10236"),
    Boundary(Rule.PLAIN_INDEXER, 0, 10335, ("minimax-m3",), "10236…10335"),
    Boundary(Rule.NEXTN_UNKNOWN, 0, 10335, ("qwen3next",), "10236…10335"),
    Boundary(Rule.NEXTN_LOADED, 0, 10216, _QWEN_MTP, "10204…10216"),
    Boundary(Rule.NEXTN_BIAS_LOADED, 0, 10289, ("glm4moe", *_QWEN_MTP), "10280…10289"),
    Boundary(Rule.NEXTN_EXPERTS_LOADED, 0, 11067, (), "10952…11067, create_tensor_gate_up_exps"),
    Boundary(Rule.LISTED_PATTERN_IGNORED, 0, 11040, _PERIODS, "11028…11040"),
    Boundary(Rule.ONE_POOLED_ROW, 0, 11352, ("qwen4exp",), "11327…11352"),
    Boundary(Rule.SINKS_ATTRACT, 0, 10151, (), "10142…10151, ggml-backend.cpp"),
    Boundary(Rule.SPLIT_INPUTS_BOUNDED, 0, 11327, (), "9464…11327"),
    Boundary(Rule.LAST_LAYER_WHOLE, 0, _EVER, _WHOLE_LAST, "9464"),
    Boundary(Rule.LAST_LAYER_WHOLE, 0, 11548, _QWEN_WHOLE_LAST, "11434…11548"),
    Boundary(Rule.LAST_LAYER_WHOLE, 0, 11548, _WHOLE_LAST_ONCE, "11434…11548"),
    Boundary(Rule.LAST_LAYER_WHOLE, 9553, 11548, ("step35",), "9464…9553, 11434…11548"),
    Boundary(Rule.LAST_LAYER_WHOLE, 10335, 11548, ("qwen3next",), "10236…10335, 11434…11548"),
    Boundary(Rule.LAST_LAYER_WHOLE, 10715, 11548, _NEMOTRON, "10335…10715, 11434…11548"),
    Boundary(Rule.LAST_LAYER_WHOLE, 9554, 11548, ("gemma4",), "9464…9554, 11434…11548"),
    Boundary(Rule.LAST_LAYER_WHOLE, 10236, 11548, ("gpt-oss",), "10152…10236, 11434…11548"),
    Boundary(Rule.MIXED_BATCH, 11413, _EVER, (), "11391…11413"),
    Boundary(Rule.ONE_SLOT_RESERVED, 10952, _EVER, _LINEAR, "10715…10952, TAG_RESERVE_DIAG_DECAY"),
    Boundary(Rule.UNFUSED_INDEXER, 0, 10069, ("deepseek32",), "9756…10069"),
    Boundary(Rule.UNFUSED_INDEXER, 0, 11352, ("qwen4exp",), "11327…11352"),
    Boundary(Rule.EMBEDS_WITHOUT_LOGITS, 9838, _EVER, _LFM, "9756…9838"),
    Boundary(Rule.LOGITS_BEHIND_EXPERTS, 0, 9554, ("granitehybrid",), "9464…9554"),
    Boundary(Rule.ROWS_FIRST, 11548, _EVER, (), "11434…11548"),
    Boundary(Rule.DEEP_ROWS_LEFT, 11548, _EVER, _DEEP, "11434…11548"),
    Boundary(Rule.LAYER_ROWS_FIRST, 11548, _EVER, ("gemma4", "qwen4exp"), "11434…11548"),
    Boundary(Rule.POOLED_WITHOUT_LOGITS, 11739, _EVER, (), "11548…11739"),
    Boundary(Rule.ENCODER_WITHOUT_ROWS, 0, 9611, (), "9601…9611, llama_model_has_encoder"),
    Boundary(Rule.ENCODER_MASK_PADDED, 11739, _EVER, (), "11548…11739"),
    Boundary(Rule.STREAM_HANDED_ON, 9553, _EVER, ("step35",), "9464…9553"),
    Boundary(
        Rule.STREAM_HANDED_ON,
        11548,
        _EVER,
        ("mimo2", "deepseek4", "qwen4exp", "gpt-oss"),
        "11434…11548",
    ),
    Boundary(Rule.PARTS_ROTATED, 0, 10705, (), "10338…10705, ggml_rope_set_offset"),
    Boundary(Rule.BLOCKS_OF_SLOTS, 0, 10705, ("deepseek4",), "10338…10705, reserve_comp_plan"),
    Boundary(Rule.STRENGTHS_COPIED, 0, 11739, ("qwen3next",), "11548…11739"),
    Boundary(Rule.TIME_STEPS_COPIED, 11391, _EVER, (), "11067…11391"),
    Boundary(Rule.STATES_AT_ONCE, 11391, _EVER, (), "11067…11391"),
    Boundary(Rule.L2_NORM, 0, 10952, (), "10715…10952"),
    Boundary(Rule.GATE_RESHAPED, 0, 10335, ("qwen3next",), "10236…10335"),
    Boundary(Rule.CLAMPS_OVER, 0, 10715, (), "10335…10715, ggml_clamp"),
    Boundary(Rule.ROWS_BEHIND_FEED, 0, 10952, ("plamo2",), "10715…10952"),
    Boundary(Rule.SLOTS_APART, 0, 10715, (), "10335…10715"),
    Boundary(Rule.ROTATED_BY_HEADER, 0, 10715, ("granitemoe",), "10335…10715"),
    Boundary(Rule.ONE_POSITION, 0, 11391, ("bailingmoe3",), "11067…11391"),
    Boundary(Rule.EXPERTS_BY_HEADER, 11739, _EVER, ("mellum",), "11548…11739"),
    Boundary(Rule.POOLS_GATHERED, 0, 11548, ("glm5-next",), "11434…11548"),
    Boundary(Rule.POOLS_RESHAPED, 0, 11739, ("glm5-next", "qwen4exp"), "11548…11739"),
    Boundary(Rule.POSITIONS_FIRST, 11739, _EVER, ("bert",), "11548…11739"),
)


def rules(build: int, name: str) -> frozenset[Rule]:
    """The rules that ``build`` follows for the architecture ``name``."""
    return frozenset(
        line.rule
        for line in BOUNDARIES
        if line.since <= build < line.until
        and (not line.architectures or name in line.architectures)
    )


def build_warning(build: int) -> str:
    """One sentence when the figures are not known to hold for ``build``."""
    if build > NEWEST:
        return f"build {build} is newer than {NEWEST}, the newest that was measured"
    if build < OLDEST:
        return f"build {build} is older than {OLDEST}, from which on the figures are exact"
    return ""

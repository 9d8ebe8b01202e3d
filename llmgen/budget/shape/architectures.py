"""Every architecture name of llama.cpp, and which cache rules its code follows.

The names are those of ``src/llama-arch.cpp`` at b11312; each rule is read in
``src/llama-model.cpp`` (hyperparameters, ``create_memory``) and ``src/models/`` of the same build.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace


class Family(Enum):
    """What kind of memory a context of this architecture has."""

    PLAIN = "full attention"
    ENCODER = "encoder, no cache"
    DIFFUSION = "diffusion, no cache"
    VOCODER = "vocoder, no cache"
    PROJECTOR = "projector, no language model"
    RECURRENT = "recurrent state"
    HYBRID = "attention and recurrent state"
    INDEXED = "attention and a lightning indexer"
    COMPRESSED = "window and compressed caches"


class WindowSwitch(Enum):
    """When an architecture uses its sliding window."""

    KEY = "the header has a window that is not zero"
    ALWAYS = "always"
    UNLESS_ZERO = "unless the header's window is zero"
    TRUNK_64 = "only with 64 trunk layers"


class RecurrentWidth(Enum):
    """How wide the recurrent rows of a layer are."""

    SSM = "grouped state space"
    SSM_UNGROUPED = "state space, group count not read"
    WKV = "token shift and wkv heads"
    SHORT_CONV = "short convolution"
    KDA = "delta attention"
    LINEAR = "linear attention"


class Recurrent(Enum):
    """Which layers of an architecture have recurrent state."""

    NONE = "none"
    ALL = "all"
    NO_KV_HEADS = "those without KV heads"
    NO_KV_NO_FF = "those without KV heads and feed-forward"
    INTERVAL = "all but every n-th"


class Indexer(Enum):
    """Which layers keep indexer keys."""

    NONE = "none"
    TRUNK = "every trunk layer"
    FULL = "the layers that `indexer.types` marks"
    FULL_WITH_TOP_K = "the marked layers, when `indexer.top_k` is set"
    AFTER_DENSE = "from `leading_dense_block_count` on, keys and values"
    ATTENTION = "every attention layer"
    FULL_ATTENTION = "the marked layers among the attention layers"


class WindowPattern(Struct, frozen=True):
    """How windows are spread over the layers when the header does not list them.

    With ``dense_first`` the first layer of each ``period`` is full, else the last one. ``array``
    means that the header must list them. ``forced`` overrides the header's window, ``default``
    stands for a missing one. ``attending`` windows are those of every layer with attention;
    ``every_if`` is the key of the header that gives one to every layer.
    """

    period: int = 0
    dense_first: bool = False
    switch: WindowSwitch = WindowSwitch.KEY
    default: int = 0
    forced: int = 0
    array: bool = False
    attending: bool = False
    every_if: str = ""


class Architecture(Struct, frozen=True):
    """The rules that one architecture's code follows; the defaults are plain attention."""

    family: Family = Family.PLAIN
    window: WindowPattern | None = None
    # Caches one latent row per token when the header has the `*_mla` sizes.
    mla: bool = False
    recurrent: Recurrent = Recurrent.NONE
    interval: int = 0
    state: RecurrentWidth = RecurrentWidth.SSM
    # Honours `n_rs_seq`: state rows are kept for each drafted token.
    rollback: bool = False
    indexer: Indexer = Indexer.NONE
    # Its MTP context has a cache of the nextn layers alone.
    mtp: bool = False
    # What its loader asks for of a nextn block even where nothing drafts: names begin so. Marked
    # TENSOR_NOT_REQUIRED alone there, without the flags of the block (b9464 to b11434).
    nextn_loaded: tuple[str, ...] = ()
    # Flash attention is switched off, whatever the options say.
    never_flash: bool = False
    # Has an encoder, so a context has an output for each token (llama_model_has_encoder).
    encoder: bool = False
    # Owns a cache of its own.
    cached: bool = True
    # Tokens see no later ones, unless the header says otherwise.
    causal: bool = True
    # Layers with state have attention beside it.
    beside: bool = False
    # The first layer may have no heads; their sizes are in the header all the same.
    headless_first: bool = False
    # V rows are as wide as the latent, whatever `value_length` says.
    latent_values: bool = False
    # So many layers have a cache of their own (0: all); others read one of theirs. ``shares`` looks
    # up in the header how many at the end do.
    owners: int = 0
    shares: bool = False
    # A layer with one head behind the trunk, which routes; every layer runs `num_loops` times.
    router: bool = False
    loops: bool = False
    # Every layer has an indexer if the header does not list them, but only each fourth behind the
    # first two for models trained with as much context.
    indexes_every: bool = False
    sparse_context: int = 0
    # Key, gate and pooled key of a pooled indexer lie side by side (indexer_kpool_row).
    pooled_rows: int = 3
    # So many tokens are one pool (0: none): one number, or one for each layer.
    pooled_by: str = "attention.indexer.kpool"
    # Some layers convolve embeddings of n-grams.
    ngrams: bool = False
    # Rows that it hands over have all of its streams (n_embd_out_impl).
    streams_out: bool = False
    # The output norm is called as that of embeddings is elsewhere.
    norm_at_end: bool = False
    # The loader asks for the output matrix before the embedding. Where both are the same tensor on
    # the host, that makes two copies, unless the file is mapped.
    output_first: bool = False
    # The embedding is asked for again as the output matrix, where the file has none. Most encoders
    # have no output; a graph may multiply with the embedding where it is.
    tied: bool = True
    # Layers with a window have no factors of the rotation.
    factors_full: bool = False
    known: bool = True

    @property
    def has_cache(self) -> bool:
        """Whether a context of it holds anything."""
        return self.cached and not self.sees_batch

    @property
    def sees_batch(self) -> bool:
        """Whether attention sees the tokens of the micro-batch alone."""
        return self.family in _CACHELESS


_CACHELESS: Final = frozenset({Family.ENCODER, Family.DIFFUSION, Family.VOCODER, Family.PROJECTOR})

_PLAIN: Final = """
llama falcon gpt2 gptj gptneox mpt baichuan starcoder refact bloom stablelm qwen qwen2 qwen2moe
qwen2vl qwen3 qwen3moe qwen3vl qwen3vlmoe phi2 phimoe plamo codeshell orion internlm2 minicpm gemma
starcoder2 xverse command-r dbrx olmo olmoe arctic deepseek deepseek2-ocr chatglm glm4 glm4moe
jais jais2 nemotron exaone granite granitemoe chameleon bailingmoe bailingmoe2 dots1 arcee
ernie4_5 ernie4_5-moe hunyuan-moe hunyuan-dense hunyuan_vl smollm3 seed_oss grovemoe apertus
minimax-m2 cogvlm pangu-embedded mistral3 paddleocr llama-embed maincoder talkie qwen3tts pockettts
deci openelm phi3 minicpm3 plm hrm_text
"""  # phi3 ignores its window; minicpm3 and plm cache full heads; deci may have empty rows

_ENCODERS: Final = """
bert nomic-bert nomic-bert-moe neo-bert jina-bert-v2 jina-bert-v3 eurobert
"""

_ENCODER: Final = Architecture(Family.ENCODER, tied=False)
_DIFFUSION: Final = Architecture(Family.DIFFUSION, causal=False)
_MLA: Final = Architecture(mla=True)
_DELTA: Final = Architecture(
    Family.HYBRID, recurrent=Recurrent.INTERVAL, interval=4, rollback=True, mtp=True
)
_SSM: Final = Architecture(Family.HYBRID, recurrent=Recurrent.NO_KV_HEADS)
_KDA: Final = replace(_SSM, mla=True, state=RecurrentWidth.KDA)
_CONV: Final = replace(_SSM, state=RecurrentWidth.SHORT_CONV, rollback=True, norm_at_end=True)
_NEMOTRON: Final = replace(_SSM, recurrent=Recurrent.NO_KV_NO_FF, rollback=True)
_WKV: Final = Architecture(Family.RECURRENT, recurrent=Recurrent.ALL, state=RecurrentWidth.WKV)
_ROUTING_BIAS: Final = "blk.#.exp_probs_b"
_NEXTN_TABLES: Final = ("blk.#.nextn.embed_tokens", "blk.#.nextn.shared_head")
_NEXTN_EXPERTS: Final = (
    _ROUTING_BIAS,
    *_NEXTN_TABLES,
    *(f"blk.#.ffn_{name}" for name in ("gate", "up", "down")),
)
_NEXTN_HEADS: Final = tuple(f"blk.#.attn_{name}" for name in ("q_norm", "k_norm", "gate"))
_MARKED: Final = Architecture(Family.INDEXED, mla=True, indexer=Indexer.FULL)


def _windowed(
    period: int = 0,
    switch: WindowSwitch = WindowSwitch.KEY,
    *,
    dense_first: bool = False,
    default: int = 0,
    forced: int = 0,
) -> Architecture:
    return Architecture(window=WindowPattern(period, dense_first, switch, default, forced))


_LISTED: Final = Architecture(window=WindowPattern(switch=WindowSwitch.ALWAYS, array=True))

# Files of projectors, which belong to a model.
PROJECTOR: Final = "clip"

ARCHITECTURES: Final[dict[str, Architecture]] = {
    **dict.fromkeys(_PLAIN.split(), Architecture()),
    "hy_v3": Architecture(nextn_loaded=_NEXTN_EXPERTS),
    "bitnet": Architecture(tied=False),
    "graniteswitch": Architecture(router=True),
    "nanbeige": Architecture(loops=True),
    **dict.fromkeys(_ENCODERS.split(), _ENCODER),
    "modern-bert": replace(_ENCODER, window=WindowPattern(3, dense_first=True)),
    "gemma-embedding": Architecture(
        Family.ENCODER, WindowPattern(6, switch=WindowSwitch.ALWAYS), causal=False
    ),
    **dict.fromkeys(("dream", "llada", "llada-moe", "rnd1"), _DIFFUSION),
    **dict.fromkeys(("t5", "t5encoder"), Architecture(encoder=True)),
    "wavtokenizer-dec": Architecture(Family.VOCODER),
    PROJECTOR: Architecture(Family.PROJECTOR),
    "grok": Architecture(never_flash=True),
    # Sliding windows. llama4 calls them chunks; the cache is sized alike.
    "llama4": _windowed(4, WindowSwitch.UNLESS_ZERO, forced=8192),
    "gemma2": _windowed(2, WindowSwitch.ALWAYS, default=4096),
    "gemma3": _windowed(6),
    # n_layer_kv_from_start is a constant of its loader.
    "gemma3n": replace(_windowed(5, WindowSwitch.ALWAYS), owners=20, output_first=True),
    "gemma4": replace(_LISTED, shares=True, output_first=True, factors_full=True),
    # Borrows the cache of its target.
    "gemma4-assistant": replace(_LISTED, cached=False, output_first=True),
    "granite_swa": _LISTED,
    "maple": _LISTED,
    "mimo2": _LISTED,
    "step35": replace(_LISTED, nextn_loaded=(*_NEXTN_EXPERTS, *_NEXTN_HEADS)),
    "spark2_5": _LISTED,
    "cohere2": _windowed(4, WindowSwitch.ALWAYS),
    "cohere2moe": replace(
        _windowed(4, WindowSwitch.ALWAYS, dense_first=True), nextn_loaded=_NEXTN_TABLES
    ),
    "muse-glimmer": _windowed(4, WindowSwitch.ALWAYS),
    "exaone-moe": _windowed(4, WindowSwitch.ALWAYS),
    "exaone4": _windowed(4, WindowSwitch.TRUNK_64, default=4096),
    "gpt-oss": _windowed(2, WindowSwitch.ALWAYS),
    "plamo3": _windowed(8),
    "olmo2": _windowed(4),
    "afmoe": _windowed(4),
    "mellum": _windowed(4),
    "laguna": _windowed(4, dense_first=True),
    "smallthinker": _windowed(4, dense_first=True, forced=4096),
    # They encode what another model hands them (llama_model_has_encoder).
    "eagle3": Architecture(encoder=True, tied=False),
    "dflash": Architecture(
        window=WindowPattern(array=True, every_if="hyper_connection.count"), encoder=True
    ),
    # Latent attention.
    "deepseek2": _MLA,
    "mistral4": _MLA,
    "deepseek32": replace(
        _MARKED, indexer=Indexer.TRUNK, indexes_every=True, nextn_loaded=(_ROUTING_BIAS,)
    ),
    # From that trained context on, GLM-5.2's default pattern.
    "glm-dsa": replace(
        _MARKED, indexes_every=True, sparse_context=1048576, nextn_loaded=(_ROUTING_BIAS,)
    ),
    "dots3note": replace(_MARKED, window=WindowPattern(switch=WindowSwitch.ALWAYS, array=True)),
    "hy_v4": replace(_MARKED, indexer=Indexer.FULL_WITH_TOP_K),
    "minimax-m3": Architecture(Family.INDEXED, indexer=Indexer.AFTER_DENSE),
    "deepseek4": Architecture(Family.COMPRESSED, rollback=True, streams_out=True),
    # Recurrent.
    "mamba": replace(_WKV, state=RecurrentWidth.SSM_UNGROUPED),
    "mamba2": replace(_WKV, state=RecurrentWidth.SSM),
    **dict.fromkeys(("rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"), _WKV),
    # Hybrids.
    "qwen3next": replace(_DELTA, rollback=False),
    "qwen35": _DELTA,
    "qwen35moe": _DELTA,
    "qwen4exp": replace(
        _DELTA,
        indexer=Indexer.ATTENTION,
        pooled_rows=2,
        pooled_by="attention.compress_ratios",
        ngrams=True,
        streams_out=True,
    ),
    "minimax-01": replace(
        _DELTA, interval=8, state=RecurrentWidth.LINEAR, rollback=False, mtp=False
    ),
    "plamo2": replace(_SSM, headless_first=True),
    "granitehybrid": _SSM,
    "jamba": replace(_SSM, state=RecurrentWidth.SSM_UNGROUPED),
    "falcon-h1": replace(_SSM, recurrent=Recurrent.ALL, beside=True),
    "nemotron_h": _NEMOTRON,
    "nemotron_h_moe": replace(_NEMOTRON, mtp=True),
    "lfm2": replace(_CONV, window=WindowPattern(attending=True)),
    "lfm2moe": _CONV,
    "kimi-linear": _KDA,
    "kimi-k3": replace(_KDA, rollback=True, latent_values=True),
    "bailingmoe3": replace(_KDA, rollback=True, mtp=True),
    "glm5-next": replace(
        _KDA,
        rollback=True,
        mtp=True,
        indexer=Indexer.FULL_ATTENTION,
        indexes_every=True,
        latent_values=True,
    ),
}

UNKNOWN: Final = Architecture(known=False)


def architecture(name: str) -> Architecture:
    """The rules of ``name``; plain attention, marked as not known, for any other name."""
    return ARCHITECTURES.get(name, UNKNOWN)


# Names that the oracle has no file for (tests/oracle): their rules are read from the source.
UNJUDGED: Final = frozenset(
    {
        "apertus",
        "clip",
        "dflash",
        "eagle3",
        "gemma4-assistant",
        "gptj",
        "plm",
        "rwkv6qwen2",
        "wavtokenizer-dec",
    }
)


def is_judged(name: str) -> bool:
    """Whether the program's own figures agreed with the rules of this architecture."""
    return name in ARCHITECTURES and name not in UNJUDGED

"""The recipe of a model: its architecture's own, or one of what its header and tensors say."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

from llmgen.budget.builds import Rule
from llmgen.budget.graph.feedforward import Experts
from llmgen.budget.graph.recipe import Block, Recipe
from llmgen.budget.graph.recipes import RECIPES
from llmgen.budget.shape.architectures import RecurrentWidth
from llmgen.budget.shape.hyperparameters import Hyperparameters
from llmgen.facts.gguf_facts import TensorGroup

# Norms in front of the feed-forward, behind attention and behind the feed-forward, by their usual
# names: the first one that a file has.
_FEED_NORMS: Final = ("ffn_norm", "post_attention_norm", "attn_post_norm")
_POST_ATTENTION: Final = ("post_attention_norm", "attn_post_norm", "attn_output_norm")
_POST_FEED: Final = ("post_ffw_norm", "ffn_post_norm", "layer_output_norm")
# Modules of graph/special: several streams and indexers; attention and feed-forwards alone.
WIDE: Final = "wide"
BARE: Final = "bare"
_EXPERTS: Final = Experts(score="header", normed=None, scaled=True, scales=True)


def is_described(name: str, build: int, *, drafts: bool = False) -> bool:
    """Whether the graph of this architecture, or of its nextn block, is known at this build."""
    recipe = RECIPES.get(name)
    known = recipe.block if recipe is not None and drafts else recipe
    return known is not None and known.since <= build < known.until


def recipe_of(model: Hyperparameters, tensors: tuple[TensorGroup, ...]) -> Recipe:
    """The row of its architecture, for builds before it as well, or a general one.

    Pools whose keys are made anew each time are no part of a row.
    """
    row = None if Rule.ONE_POOLED_ROW in model.build else RECIPES.get(model.name)
    return row or general(model, tensors)


def general(model: Hyperparameters, tensors: tuple[TensorGroup, ...]) -> Recipe:
    """A decoder of the layers whose tensors are there."""
    named = {
        group.pattern.removeprefix("blk.#.").removesuffix(".weight")
        for group in tensors
        if group.pattern.startswith("blk.#.")
    }
    indexed = bool(model.indexer_width)
    special = _special(model, named)
    feed_norm = _first(_FEED_NORMS, named)
    after = tuple(name for name in _POST_ATTENTION if name != feed_norm)
    return Recipe(
        norm="header",
        factors=True,
        scales=True,
        experts=_EXPERTS,
        positions=0,
        norm_optional=True,
        special=special,
        block=Block(),
        mixer=_mixer(model, named),
        gated=_is_gated(model, tensors),
        feed_norm=feed_norm or _FEED_NORMS[0],
        post=(_first(after, named), _first(_POST_FEED, named)),
        sinks="attn_sinks" in named,
        shared_gate="ffn_gate_inp_shexp" in named,
        cached=not model.rules.sees_batch,
        embeddings=model.rules.sees_batch,
        every=indexed,
        linear=special != WIDE,
        linear_from="attention.indexer.top_k" if indexed else "",
    )


def _first(names: tuple[str, ...], named: AbstractSet[str]) -> str:
    return next((name for name in names if name in named), "")


def _special(model: Hyperparameters, named: AbstractSet[str]) -> str:
    recurs = any(model.recurrent)
    pooled = model.header.count("attention.indexer.kpool") or "indexer.q_proj" in named
    if pooled or model.header.count("hyper_connection.count") > 1:
        return WIDE
    match model.rules.state:
        case RecurrentWidth.KDA if recurs:
            return "kimi"
        case RecurrentWidth.WKV if recurs:
            return "rwkv"
        case RecurrentWidth.LINEAR if recurs:
            return "lightning"
        case _ if "attn_kv_a_mqa" not in named:
            return ""
        case _:
            return "indexed" if "indexer.attn_k" in named else "latent"


def _mixer(model: Hyperparameters, named: AbstractSet[str]) -> str:
    if not any(model.recurrent):
        return ""
    if model.rules.state is RecurrentWidth.SHORT_CONV:
        return "short convolution"
    if "ssm_beta" in named:
        return "delta net"
    if "ssm_ba" in named:
        return "paired delta net"
    apart = model.rules.state is RecurrentWidth.SSM_UNGROUPED
    return "state space" if apart else "state space by heads"


def _is_gated(model: Hyperparameters, tensors: tuple[TensorGroup, ...]) -> bool:
    """Whether a half of each query is a gate: the product is twice as wide as the heads are."""
    for group in tensors:
        if group.pattern == "blk.#.attn_q.weight" and group.layers and len(group.shape) > 1:
            heads = model.heads[min(group.layers[0], model.layers - 1)]
            return group.shape[1] == 2 * heads * model.key_length
    return False

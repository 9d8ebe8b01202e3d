"""A model and what drafts whole blocks for it, of random shapes: the kinds of DFlash."""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple, TypeVar

from gguf_writer import Tensor, Typed, llama, write_gguf
from msgspec.structs import replace

from oracle.drafted_pair import Pair, settings, written

_Shapes = dict[str, tuple[int, ...]]
_Value = TypeVar("_Value")


class _Sizes(NamedTuple):
    """What all parts of a draft agree on."""

    width: int
    vocab: int
    fewer: int
    layers: int


def dflash(source: random.Random, folder: Path) -> Pair:
    """The plain kind."""
    sizes = _sizes(source)
    return _pair(source, folder, "draft-dflash", sizes, {"block_size": source.choice((4, 16))})


def dspark(source: random.Random, folder: Path) -> Pair:
    """With a Markov head, which only blocks that are no longer than the trained ones have."""
    sizes, rank = _sizes(source), source.choice((32, 128))
    more = {"markov_w1": (rank, sizes.vocab), "markov_w2": (rank, sizes.fewer or sizes.vocab)}
    if source.random() < 0.5:
        more["conf_proj"] = (sizes.width + rank, 1)
    # The chain of longer blocks has more nodes than the program has room for.
    block = source.choice((4, 8, 16))
    values: dict[str, object] = {"block_size": block}
    values["has_confidence_head"] = "conf_proj" in more
    if source.random() < 0.5:
        values["sample_from_anchor"] = source.random() < 0.5
    pair = _pair(source, folder, "draft-dspark", sizes, values, more)
    if source.random() < 0.5:
        told = replace(pair.settings, ubatch_size=block * pair.settings.parallel)
        return pair._replace(settings=told)
    return pair


def dflash2(source: random.Random, folder: Path) -> Pair:
    """With convolutions over the block, and tokens picked as a chain."""
    sizes, rank = _sizes(source), source.choice((16, 64))
    # With more of both, the program ends: its graph has 12 nodes for each tensor (graph_max_nodes).
    kernel, group = source.choice((2, 4) if sizes.layers < 5 else (2,)), source.choice((32, 64))
    values: dict[str, object] = {
        "block_size": source.choice((8, 16)),
        "conv_kernel_size": kernel,
        "conv_group_size": group,
        "selector_rank": rank,
        "selector_top_k": source.choice((4, 8)),
    }
    if source.random() < 0.5:
        values["final_logit_softcapping"] = 30.0
    if source.random() < 0.5:
        values["logit_scale"] = 0.5
    more = {
        "selector_predecessor": (rank, sizes.vocab),
        "selector_successor": (rank, sizes.vocab),
        "selector_hidden": (sizes.width, rank),
    }
    bases = []
    for il in range(sizes.layers):
        for part in ("attn", "ffn"):
            more[f"blk.{il}.{part}_conv_proj"] = sizes.width, 2 * kernel * sizes.width // group
            bases.append(Tensor(f"blk.{il}.{part}_conv_base", (sizes.width, kernel, 2), "f32"))
    return _pair(source, folder, "draft-dflash", sizes, values, more, bases)


def _sizes(source: random.Random) -> _Sizes:
    vocab = source.choice((1000, 8000, 32000))
    return _Sizes(
        width=source.choice((256, 512)),
        vocab=vocab,
        fewer=source.choice((0, 0, vocab // 4)),
        layers=source.choice((1, 2, 3, 5)),
    )


def _pair(
    source: random.Random,
    folder: Path,
    spec: str,
    sizes: _Sizes,
    values: dict[str, object],
    more: _Shapes | None = None,
    bases: list[Tensor] | None = None,
) -> Pair:
    trunk = source.choice((4, 6))
    metadata, tensors = llama(
        layers=trunk,
        embedding=sizes.width,
        heads=4,
        heads_kv=source.choice((1, 2, 4)),
        feed_forward=512,
        context=8192,
        vocabulary_size=sizes.vocab,
    )
    target = write_gguf(folder / "target.gguf", metadata, tensors, data="zero")
    read = sorted(source.sample(range(1, trunk), source.choice((2, 3))))
    own, shapes = _layers(source, sizes)
    own |= {"target_layers": Typed("i32", read), "vocab_size": sizes.vocab, **values}
    shapes |= {"fc": (len(read) * sizes.width, sizes.width), **(more or {})}
    if sizes.fewer or source.random() < 0.5:
        shapes["output"] = (sizes.width, sizes.fewer or sizes.vocab)
    if source.random() < 0.5:
        shapes["token_embd"] = (sizes.width, sizes.vocab)
    places = [Tensor("d2t", (sizes.fewer,), "i64")] if sizes.fewer else []
    extra = [*places, *(bases or [])]
    draft = written(folder / "draft.gguf", "dflash", own, shapes, sizes.vocab, extra)
    told = settings(source, spec, n_max=source.choice((3, 3, 7)))
    if told.flash_attn == "on" and told.draft and source.random() < 0.5:
        rotated = replace(told.draft, cache_type_k="q8_0", cache_type_v="q8_0")
        told = replace(told, draft=rotated)
    return Pair(target, draft, told)


def _layers(source: random.Random, sizes: _Sizes) -> tuple[dict[str, object], _Shapes]:
    """Values and shapes of the layers, and of what is around them."""
    head, heads = source.choice((32, 64, 128)), source.choice((4, 8))
    shared, forward = source.choice((1, 2, 4)), source.choice((256, 1024))
    width, layers = sizes.width, sizes.layers
    values: dict[str, object] = {
        "block_count": layers,
        "context_length": 8192,
        "embedding_length": width,
        "feed_forward_length": forward,
        "attention.head_count": heads,
        "attention.head_count_kv": shared,
        "attention.key_length": head,
        "attention.value_length": head,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": head,
    }
    if source.random() < 0.5:
        # The program ends where no layer has the window that the header speaks of.
        marks = [True, *(source.random() < 0.5 for _ in range(layers - 1))]
        source.shuffle(marks)
        values["attention.sliding_window"] = source.choice((128, 512))
        values["attention.sliding_window_pattern"] = Typed("bool", marks)
    values |= _some(
        source,
        {
            "embedding_scale": 2.0,
            "attention.value_scale": 0.5,
            "attention.causal": False,
            "hidden_activation": "gelu",
            "rope.dimension_sections": Typed("i32", [head // 2, 0, 0, 0]),
        },
    )
    shapes: _Shapes = {"enc.output_norm": (width,), "output_norm": (width,)}
    shapes |= _some(source, {"rope_freqs": (head // 2,)})
    each = {
        "attn_norm": (width,),
        "attn_q": (width, heads * head),
        "attn_k": (width, shared * head),
        "attn_v": (width, shared * head),
        "attn_output": (heads * head, width),
        "attn_q_norm": (head,),
        "attn_k_norm": (head,),
        "ffn_norm": (width,),
        "ffn_gate": (width, forward),
        "ffn_up": (width, forward),
        "ffn_down": (forward, width),
    }
    if source.random() < 0.3:
        del each["attn_v"]
    each |= _some(
        source,
        {
            "post_attention_norm": (width,),
            "post_ffw_norm": (width,),
            "layer_output_scale": (1,),
            "attn_sinks": (heads,),
        },
    )
    for il in range(layers):
        shapes |= {f"blk.{il}.{name}": shape for name, shape in each.items()}
    return values, shapes


def _some(source: random.Random, optional: dict[str, _Value]) -> dict[str, _Value]:
    return {key: value for key, value in optional.items() if source.random() < 0.3}

"""What a model is, from its header alone: parameters, experts, licence, width of its embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Final

from msgspec import Struct

from llmgen.facts.gguf_facts import GgufFacts
from llmgen.units import show_number, show_parameters

# Tensors of which each token uses some experts' parts only (LLM_TENSOR_FFN_*_EXPS).
_EXPERTS: Final = "_exps"
# Where the vectors of an embedding model are not as wide as its layers: its last dense layer
# (sentence-transformers' modules), or the key that says so.
_WIDTHS: Final = ("embedding_length_out", "dense_3_feat_out", "dense_2_feat_out")


class Card(Struct, frozen=True):
    """``active`` counts of the experts those that one token uses; 0 and empty: not told."""

    parameters: int = 0
    active: int = 0
    experts: int = 0
    experts_used: int = 0
    dimensions: int = 0
    licence: str = ""


def card(facts: GgufFacts) -> Card:
    """The card of one model."""
    experts, used = _count(facts, "expert_count"), _count(facts, "expert_used_count")
    whole = {True: 0, False: 0}
    for group in facts.tensors:
        whole[_EXPERTS in group.pattern] += prod(group.shape) * group.count
    licence = facts.hyperparameters.get("general.license", "")
    return Card(
        parameters=whole[True] + whole[False],
        active=whole[False] + (whole[True] * used // experts if experts else whole[True]),
        experts=experts,
        experts_used=used,
        dimensions=next(filter(None, (_count(facts, key) for key in _WIDTHS)), 0)
        or _count(facts, "embedding_length"),
        licence=licence if isinstance(licence, str) else "",
    )


def in_words(found: Card, *, embeds: bool, scores: Mapping[str, float]) -> Iterator[str]:
    """What is known, each in some words; dimensions of a model that embeds."""
    if found.parameters:
        of_these = f", {show_parameters(found.active)} active" if found.experts else ""
        yield f"{show_parameters(found.parameters)} parameters{of_these}"
    if found.experts:
        yield f"{found.experts} experts, {found.experts_used} used for each token"
    if embeds and found.dimensions:
        yield f"{found.dimensions} embedding dimensions"
    if found.licence:
        yield f"licence {found.licence}"
    if scores:
        yield ", ".join(f"{name} {show_number(score)}" for name, score in scores.items())


def _count(facts: GgufFacts, key: str) -> int:
    found = facts.hyperparameters.get(key, 0)
    return found if type(found) is int and found > 0 else 0

"""What a model is for, as far as its header says."""

from __future__ import annotations

from typing import Final

from llmgen.budget.shape.architectures import Family, architecture
from llmgen.engines.roles import Role
from llmgen.facts.gguf_facts import GgufFacts

# llama_pooling_type in include/llama.h: 0 is none, and a reranker's is a class score.
_POOLINGS: Final = ("", "mean", "cls", "last", "rank")
_RANK: Final = 4


def made_for(facts: GgufFacts) -> Role:
    """Rerank, embedding, or chat where nothing speaks against it."""
    pooling = facts.hyperparameters.get("pooling_type", 0)
    encodes = is_encoder(facts)
    scores = any(item.pattern == "cls.output.weight" for item in facts.tensors)
    if pooling == _RANK or (encodes and scores):
        return "rerank"
    return "embedding" if encodes or pooling else "chat"


def is_encoder(facts: GgufFacts) -> bool:
    """Whether it has no way to generate text at all."""
    return architecture(facts.architecture).family is Family.ENCODER


def pooling(facts: GgufFacts) -> str:
    """How the header says that vectors are pooled, in llama-server's words; empty: it does not."""
    found = facts.hyperparameters.get("pooling_type", 0)
    return _POOLINGS[found] if isinstance(found, int) and 0 < found < len(_POOLINGS) else ""

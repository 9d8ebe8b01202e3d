"""Facts of models for budget tests, from plain header values."""

from __future__ import annotations

import json
from pathlib import Path

from llmgen.facts.gguf_facts import GgufFacts, HeaderValue, TensorGroup

VECTORS = json.loads((Path(__file__).parent / "data" / "vectors.json").read_text())


def facts(
    architecture: str,
    values: dict[str, object],
    vocabulary: int = 32000,
    tensors: tuple[TensorGroup, ...] = (),
) -> GgufFacts:
    """Facts of one model; lists become tuples, as the reader makes them."""
    header: dict[str, HeaderValue] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    return GgufFacts(architecture, header, vocabulary, tensors, ())


def published(name: str) -> GgufFacts:
    """A model of the worked vectors."""
    shape = VECTORS["shapes"][name]
    return facts(shape["architecture"], shape["values"], shape["vocabulary"])


def group(pattern: str, size: int, layers: int = 0) -> TensorGroup:
    """Tensors of one pattern in the first ``layers`` layers."""
    return TensorGroup(pattern, "f16", (size // 2,), tuple(range(layers)), size)


def llama(layers: int = 4, **more: object) -> GgufFacts:
    """A small model with weights: 100 000 B a layer, 64 000 B of experts, tied nothing."""
    values: dict[str, object] = {
        "block_count": layers,
        "embedding_length": 256,
        "feed_forward_length": 512,
        "context_length": 4096,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        **more,
    }
    tensors = (
        group("token_embd.weight", 320_000),
        group("output.weight", 640_000),
        group("output_norm.weight", 1024),
        group("rope_freqs.weight", 128),
        group("blk.#.attn_q.weight", 100_000, layers),
        group("blk.#.ffn_up_exps.weight", 64_000, layers),
    )
    return facts("llama", values, 500, tensors)

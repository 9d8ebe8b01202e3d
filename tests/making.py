"""Values that many tests start from: a config from TOML text, facts of small models."""

from __future__ import annotations

import json
import tomllib

from llmgen.config.config import Config
from llmgen.facts.gguf_facts import GgufFacts, ModelFile, TensorGroup

HEAD = """
edition = 1
[hardware]
host = "box"
os = "linux"
backend = "cuda"
memory = "32GiB"
reserve = "2GiB"
devices = [{ memory = "24GiB" }]
process_overhead = "0"
[paths]
home = "/home/llm"
"""


def config(text: str = "", *, head: str = HEAD) -> Config:
    """A config of ``text`` below a machine with one 24 GiB card."""
    return Config.model_validate_json(json.dumps(tomllib.loads(head + text)))


def facts(
    name: str = "small.gguf",
    *,
    architecture: str = "llama",
    layers: int = 4,
    embedding: int = 256,
    heads: int = 4,
    heads_kv: int = 2,
    feed_forward: int = 512,
    context: int = 8192,
    vocabulary: int = 1000,
) -> GgufFacts:
    """A plain llama-like model in F16, with the tensors that llama.cpp loads."""
    head = embedding // heads
    every = tuple(range(layers))
    shapes = {
        "attn_norm": (embedding,),
        "ffn_norm": (embedding,),
        "attn_q": (embedding, heads * head),
        "attn_k": (embedding, heads_kv * head),
        "attn_v": (embedding, heads_kv * head),
        "attn_output": (heads * head, embedding),
        "ffn_gate": (embedding, feed_forward),
        "ffn_up": (embedding, feed_forward),
        "ffn_down": (feed_forward, embedding),
    }
    tensors = [
        TensorGroup(
            "token_embd.weight", "f16", (embedding, vocabulary), (), 2 * embedding * vocabulary
        ),
        TensorGroup(
            "output.weight", "f16", (embedding, vocabulary), (), 2 * embedding * vocabulary
        ),
        TensorGroup("output_norm.weight", "f32", (embedding,), (), 4 * embedding),
    ]
    for key, shape in shapes.items():
        elements = shape[0] * (shape[1] if len(shape) > 1 else 1)
        kind, width = ("f32", 4) if len(shape) == 1 else ("f16", 2)
        tensors.append(TensorGroup(f"blk.#.{key}.weight", kind, shape, every, width * elements))
    return GgufFacts(
        architecture=architecture,
        hyperparameters={
            "block_count": layers,
            "context_length": context,
            "embedding_length": embedding,
            "feed_forward_length": feed_forward,
            "attention.head_count": heads,
            "attention.head_count_kv": heads_kv,
        },
        vocabulary=vocabulary,
        tensors=tuple(tensors),
        files=(ModelFile(name, sum(group.bytes_total for group in tensors)),),
    )


def adapter(name: str = "a.lora.gguf", *, rank: int = 8, architecture: str = "llama") -> GgufFacts:
    """A LoRA adapter for the queries of ``facts()``."""
    shapes = {"lora_a": (256, rank), "lora_b": (rank, 256)}
    tensors = tuple(
        TensorGroup(f"blk.#.attn_q.weight.{end}", "f16", shape, (0, 1, 2, 3), 512 * rank)
        for end, shape in shapes.items()
    )
    return GgufFacts(
        architecture=architecture,
        hyperparameters={"adapter.type": "lora"},
        vocabulary=0,
        tensors=tensors,
        files=(ModelFile(name, sum(group.bytes_total for group in tensors)),),
    )

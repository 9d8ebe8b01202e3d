"""The repositories of the Hub that the pages name, with headers of the models' public shapes.

A file has its full size: a header without a vocabulary, and zeros.
"""

from __future__ import annotations

import json
from dataclasses import replace

from engines.published_checkpoints import BY_NAME
from facts.fake_hub import FakeFile, FakeRepo
from gguf_writer import GGML_TYPES, Typed, gguf
from oracle.headers import metadata, tensors
from oracle.shapes import SHAPES
from safetensors_writer import header

# Repository: the files of a model, its shape and its mix of quantisations. A file's name that ends
# with the first of several shards stands for all of them.
REPOSITORIES = {
    "Qwen/Qwen3-Embedding-0.6B-GGUF": {
        "Qwen3-Embedding-0.6B-Q8_0.gguf": ("qwen3-embedding-0.6b", "q8_0")
    },
    "Qwen/Qwen3-Embedding-8B-GGUF": {
        "Qwen3-Embedding-8B-Q8_0.gguf": ("qwen3-embedding-8b", "q8_0")
    },
    "gpustack/bge-reranker-v2-m3-GGUF": {
        "bge-reranker-v2-m3-Q8_0.gguf": ("bge-reranker-v2-m3", "q8_0")
    },
    "ggml-org/gemma-3-1b-it-GGUF": {"gemma-3-1b-it-Q4_K_M.gguf": ("gemma-3-1b", "q4_k_m")},
    "ggml-org/gpt-oss-120b-GGUF": {
        "gpt-oss-120b-mxfp4-00001-of-00003.gguf": ("gpt-oss-120b", "mxfp4")
    },
    "ggml-org/gpt-oss-20b-GGUF": {"gpt-oss-20b-mxfp4.gguf": ("gpt-oss-20b", "mxfp4")},
    "unsloth/Devstral-2-123B-Instruct-2512-GGUF": {
        "Devstral-2-123B-Instruct-2512-Q4_K_M.gguf": ("devstral-2-123b", "q4_k_m")
    },
    "unsloth/Qwen3-32B-GGUF": {"Qwen3-32B-Q4_K_M.gguf": ("qwen3-32b", "q4_k_m")},
    "unsloth/Qwen3-8B-GGUF": {
        "Qwen3-8B-Q4_K_M.gguf": ("qwen3-8b", "q4_k_m"),
        "Qwen3-8B-Q8_0.gguf": ("qwen3-8b", "q8_0"),
    },
    "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF": {
        "Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf": ("qwen3-coder-30b-a3b", "q4_k_m")
    },
}

# Repositories of safetensors, and their names among the published checkpoints.
CHECKPOINTS = {"Qwen/Qwen2.5-7B-Instruct-AWQ": "qwen2.5-7b-awq"}


def published():
    """Every repository, each of its files a header and zeros."""
    models = {
        name: FakeRepo(
            {
                part: content
                for file, (shape, recipe) in files.items()
                for part, content in _files(file, replace(SHAPES[shape], recipe=recipe))
            }
        )
        for name, files in REPOSITORIES.items()
    }
    return models | {name: _checkpoint(BY_NAME[made]) for name, made in CHECKPOINTS.items()}


def _checkpoint(found):
    head, size = header(found.tensors)
    config = json.dumps(found.config).encode()
    return FakeRepo(
        {
            "config.json": FakeFile(config, lfs=False),
            "model.safetensors": FakeFile(head, len(head) + size),
        }
    )


def _files(name, shape):
    listed = [_as_quantized(item, shape) for item in tensors(shape)]
    stem, of, rest = name.partition("-00001-of-")
    if not of:
        yield name, _file(metadata(shape), listed)
        return
    total = int(rest.removesuffix(".gguf"))
    size = -(-len(listed) // total)
    for number in range(total):
        split = {
            "split.no": Typed("u16", number),
            "split.count": Typed("u16", total),
            "split.tensors.count": Typed("i32", len(listed)),
        }
        head = metadata(shape) | split if number == 0 else split
        part = listed[number * size : (number + 1) * size]
        yield f"{stem}-{number + 1:05d}-of-{total:05d}.gguf", _file(head, part)


def _file(values, listed):
    head = gguf(values, listed)
    return FakeFile(head, len(head) + sum(-(-item.size // 32) * 32 for item in listed))


def _as_quantized(tensor, shape):
    """What llama-quantize falls back to where rows are no multiple of 256; a tied output is Q6_K."""
    if shape.recipe != "q4_k_m" or tensor.type not in {"q4_K", "q6_K", "q8_0"}:
        return tensor
    better = tensor.type == "q6_K" or (shape.tied and tensor.name == "token_embd.weight")
    if tensor.shape[0] % GGML_TYPES["q4_K"][1] == 0:
        return replace(tensor, type="q6_K") if better else tensor
    return replace(tensor, type="q8_0" if better else "q5_0")

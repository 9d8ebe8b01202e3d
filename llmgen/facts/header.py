"""From headers to facts: prefix-free hyperparameters, tensors grouped over the layers, files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

from llmgen.facts.ggml_types import BY_NAME
from llmgen.facts.gguf import GgufHeader
from llmgen.facts.gguf_facts import GgufFacts, HeaderValue, ModelFile, TensorGroup
from llmgen.facts.gguf_reader import GgufTensor
from llmgen.facts.refusals import refused, shown

# Values outside the architecture's prefix that something reads or shows.
KEPT: Final = (
    "general.name",
    "general.type",
    "general.file_type",
    "general.license",
    "general.size_label",
    "tokenizer.ggml.model",
    "tokenizer.ggml.pre",
    "tokenizer.ggml.token_type_count",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.add_bos_token",
    "tokenizer.ggml.add_eos_token",
    "adapter.type",
    "adapter.lora.alpha",
)
# Not the template itself: only whether it is another one is asked.
TEMPLATE: Final = "tokenizer.chat_template.sha256"
TOKENS: Final = "tokenizer.ggml.tokens"
# A number with leading zeros is another name: it stays as it is.
_LAYER: Final = re.compile(r"(?<![^.])blk\.(0|[1-9]\d{0,3})(?=\.)")


def describe(headers: Sequence[GgufHeader], files: Sequence[ModelFile]) -> GgufFacts:
    """The facts of one model: all its shards' headers, the first shard first."""
    first = headers[0]
    _whole(headers)
    architecture = first.values.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        raise refused(
            "no-architecture",
            f"`{first.name}` does not say its `general.architecture`",
            "name the model's first file, which has its metadata",
        )
    return GgufFacts(
        architecture=architecture,
        hyperparameters=_hyperparameters(first, architecture),
        vocabulary=_vocabulary(first, architecture),
        tensors=_groups(headers),
        files=tuple(files),
        header_sha256=headers[-1].digest.hexdigest(),
    )


def split_count(header: GgufHeader) -> int:
    """How many files the model of this header has."""
    count = header.values.get("split.count", 1)
    return count if type(count) is int and count > 0 else 1


def _whole(headers: Sequence[GgufHeader]) -> None:
    first = headers[0]
    count = split_count(first)
    if count != len(headers):
        raise refused(
            "shard-missing", f"`{first.name}` has {count} parts, {len(headers)} are here", "get all"
        )
    for number, header in enumerate(headers):
        told = (header.values.get("split.no", 0), split_count(header))
        if told != (number, count):
            message = f"`{header.name}` says that it is part {told[0]} of {told[1]}"
            raise refused("shard-order", f"{message}, not {number} of {count}")
    promised = first.values.get("split.tensors.count")
    have = sum(len(header.tensors) for header in headers)
    if count > 1 and promised not in {None, have}:
        message = f"`{first.name}` promises {promised} tensors, its parts have {have}"
        raise refused("shard-tensors", message)


def _hyperparameters(header: GgufHeader, architecture: str) -> dict[str, HeaderValue]:
    prefix = f"{architecture}."
    found = {
        key.removeprefix(prefix): value
        for key, value in header.values.items()
        if key.startswith(prefix)
    }
    found.update((key, header.values[key]) for key in KEPT if key in header.values)
    template = header.values.get("tokenizer.chat_template")
    if isinstance(template, str):
        found[TEMPLATE] = sha256(template.encode("utf-8", "replace")).hexdigest()
    return dict(sorted(found.items()))


def _vocabulary(header: GgufHeader, architecture: str) -> int:
    told = header.values.get(f"{architecture}.vocab_size", 0)
    return header.lengths.get(TOKENS) or (told if type(told) is int and told > 0 else 0)


def _groups(headers: Iterable[GgufHeader]) -> tuple[TensorGroup, ...]:
    layers: dict[tuple[str, str, tuple[int, ...]], list[int]] = {}
    seen: set[str] = set()
    for header in headers:
        for tensor in header.tensors:
            if tensor.name in seen:
                message = (
                    f"tensor `{shown(tensor.name)}` of `{header.name}` is in an earlier part too"
                )
                raise refused("duplicate-tensor", message)
            seen.add(tensor.name)
            pattern, layer = _pattern(header, tensor)
            layers.setdefault((pattern, tensor.type, tensor.shape), []).extend(layer)
    return tuple(
        TensorGroup(pattern, kind, shape, tuple(sorted(found)), BY_NAME[kind].tensor_bytes(shape))
        for (pattern, kind, shape), found in sorted(layers.items())
    )


def _pattern(header: GgufHeader, tensor: GgufTensor) -> tuple[str, tuple[int, ...]]:
    if "#" in tensor.name:
        message = f"tensor `{shown(tensor.name)}` of `{header.name}` has a `#` in its name"
        raise refused("tensor-name", message)
    found = _LAYER.search(tensor.name)
    if found is None:
        return tensor.name, ()
    begin, end = found.span(1)
    return f"{tensor.name[:begin]}#{tensor.name[end:]}", (int(found[1]),)
